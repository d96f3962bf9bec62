// kafkajs, with @confluentinc/schemaregistry for the schema scenarios.
//
//   client.mjs version
//   client.mjs list
//   client.mjs produce TOPIC COUNT CODEC
//   client.mjs consume TOPIC GROUP COUNT
//   client.mjs produce-avro|produce-protobuf TOPIC COUNT
//   client.mjs consume-avro|consume-protobuf TOPIC GROUP COUNT
//   client.mjs produce-csfle TOPIC COUNT
//   client.mjs consume-csfle TOPIC GROUP COUNT
//
// BOOTSTRAP and REGISTRY name the servers. Records that were read are printed
// one JSON object per line; a consumer ends after COUNT records and a commit.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import kafkajs from 'kafkajs'
import SnappyCodec from 'kafkajs-snappy'
import lz4 from 'lz4-napi'
import { decompress as unzstd } from 'fzstd'
import { SchemaRegistryClient, SerdeType, AvroSerializer, AvroDeserializer, ProtobufSerializer, ProtobufDeserializer, EncryptionExecutor, FieldEncryptionExecutor, LocalKmsDriver } from '@confluentinc/schemaregistry'
import { create } from '@bufbuild/protobuf'

const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = kafkajs
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async ({ buffer }) => lz4.compressFrameSync(buffer),
  decompress: async (buffer) => lz4.decompressFrameSync(buffer)
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async () => { throw new Error('this client only reads zstd') },
  decompress: async (buffer) => Buffer.from(unzstd(buffer))
})
const here = new URL('.', import.meta.url)
const name = 'node'

const kafka = new Kafka({ clientId: 'interop', brokers: [process.env.BOOTSTRAP], logLevel: logLevel.ERROR })
const registry = () => new SchemaRegistryClient({ baseURLs: [process.env.REGISTRY] })
const order = (i) => ({ id: i, customer: `${name}-${i}`, total: i * 1.5, note: i % 2 ? null : `note ${i}` })
const schemaInfo = { schema: readFileSync(new URL('../order.avsc', here), 'utf8'), schemaType: 'AVRO' }

async function produce (topic, count, codec, value) {
  const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4 }[codec]
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const messages = []
  for (let i = 0; i < count; i++) messages.push({ key: `k-${i}`, value: await value(i) })
  await producer.send({ topic, messages, compression, acks: -1 })
  await producer.disconnect()
}

async function consume (topic, groupId, count, show) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 45000, rebalanceTimeout: 45000 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const next = new Map()
  let got = 0
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        if (got >= count) return
        const value = await show(message.value)
        console.log(JSON.stringify({ partition, offset: Number(message.offset), key: message.key.toString(), value }))
        next.set(partition, (BigInt(message.offset) + 1n).toString())
        if (++got === count) resolve()
      }
    }).catch(reject)
  })
  await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset })))
  await consumer.disconnect()
}

function rules () {
  LocalKmsDriver.register()
  EncryptionExecutor.register()
  FieldEncryptionExecutor.register()
  return { secret: 'interop' }
}

const plain = (o) => ({ id: Number(o.id), customer: o.customer, total: o.total, note: o.note ?? null })

const commands = {
  version: async () => {
    const v = (m) => JSON.parse(readFileSync(new URL(`node_modules/${m}/package.json`, here))).version
    console.log(`kafkajs ${v('kafkajs')}, @confluentinc/schemaregistry ${v('@confluentinc/schemaregistry')}`)
  },
  list: async () => {
    const admin = kafka.admin()
    await admin.connect()
    console.log((await admin.listTopics()).sort().join('\n'))
    await admin.disconnect()
  },
  produce: (topic, count, codec) => produce(topic, Number(count), codec, async (i) => `${name}-${i}`),
  consume: (topic, group, count) => consume(topic, group, Number(count), async (v) => v.toString()),
  'produce-avro': async (topic, count) => {
    const serializer = new AvroSerializer(registry(), SerdeType.VALUE, { autoRegisterSchemas: false, useLatestVersion: true })
    await registry().register(`${topic}-value`, schemaInfo)
    await produce(topic, Number(count), 'none', (i) => serializer.serialize(topic, order(i)))
  },
  'consume-avro': async (topic, group, count) => {
    const deserializer = new AvroDeserializer(registry(), SerdeType.VALUE, {})
    await consume(topic, group, Number(count), async (v) => plain(await deserializer.deserialize(topic, v)))
  },
  'produce-csfle': async (topic, count) => {
    const serializer = new AvroSerializer(registry(), SerdeType.VALUE, { autoRegisterSchemas: false, useLatestVersion: true, ruleConfig: rules() })
    await produce(topic, Number(count), 'none', (i) => serializer.serialize(topic, order(i)))
  },
  'consume-csfle': async (topic, group, count) => {
    const deserializer = new AvroDeserializer(registry(), SerdeType.VALUE, { ruleConfig: rules() })
    await consume(topic, group, Number(count), async (v) => plain(await deserializer.deserialize(topic, v)))
  },
  'produce-protobuf': async (topic, count) => {
    const { OrderSchema } = await import(new URL('build/order_pb.js', here))
    const serializer = new ProtobufSerializer(registry(), SerdeType.VALUE, { autoRegisterSchemas: true })
    serializer.registry.add(OrderSchema)
    await produce(topic, Number(count), 'none', (i) => {
      const o = order(i)
      return serializer.serialize(topic, create(OrderSchema, { ...o, id: BigInt(o.id), note: o.note ?? undefined }))
    })
  },
  'consume-protobuf': async (topic, group, count) => {
    const deserializer = new ProtobufDeserializer(registry(), SerdeType.VALUE, {})
    await consume(topic, group, Number(count), async (v) => plain(await deserializer.deserialize(topic, v)))
  }
}

const [command, ...args] = process.argv.slice(2)
if (!commands[command]) throw new Error(`unknown command ${command}`)
await commands[command](...args)
process.exit(0)
