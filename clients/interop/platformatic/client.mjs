// @platformatic/kafka as a client of the interop scenarios; see ../python/client.py
// for the commands.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import { Admin, Consumer, Producer, ProduceAcks, stringDeserializers, stringSerializers } from '@platformatic/kafka'

const name = 'platformatic'
const common = { clientId: 'interop', bootstrapBrokers: [process.env.BOOTSTRAP] }

const commands = {
  version: async () => {
    const v = JSON.parse(readFileSync(new URL('node_modules/@platformatic/kafka/package.json', import.meta.url))).version
    console.log(`@platformatic/kafka ${v}, Node.js ${process.version}`)
  },
  list: async () => {
    const admin = new Admin(common)
    console.log((await admin.listTopics()).sort().join('\n'))
    await admin.close()
  },
  produce: async (topic, count, compression) => {
    const producer = new Producer({ ...common, serializers: stringSerializers, idempotent: true, acks: ProduceAcks.ALL, compression })
    const messages = []
    for (let i = 0; i < Number(count); i++) messages.push({ topic, key: `k-${i}`, value: `${name}-${i}` })
    await producer.send({ messages })
    await producer.close()
  },
  consume: async (topic, groupId, count) => {
    const consumer = new Consumer({ ...common, groupId, deserializers: stringDeserializers })
    const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest', autocommit: false, sessionTimeout: 45000 })
    const next = new Map()
    let got = 0
    for await (const m of stream) {
      console.log(JSON.stringify({ partition: m.partition, offset: Number(m.offset), key: m.key, value: m.value }))
      next.set(m.partition, m)
      if (++got === Number(count)) break
    }
    await consumer.commit({
      offsets: [...next.values()].map((m) => ({ topic, partition: m.partition, offset: m.offset + 1n, leaderEpoch: -1 }))
    })
    await consumer.close(true)
  }
}

const [command, ...args] = process.argv.slice(2)
if (!commands[command]) throw new Error(`unknown command ${command}`)
await commands[command](...args)
process.exit(0)
