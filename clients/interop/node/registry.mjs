// Two clients of the registry scenarios: @confluentinc/schemaregistry, and
// @kafkajs/confluent-schema-registry if that is the argument.
//
// REGISTRY names the server. One request is one line of JSON on standard input,
// its answer one line on standard output; ../registry_wire_test.go says what is
// in them. Every request is served by a client that has learned nothing before.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import readline from 'node:readline'
import * as confluent from '@confluentinc/schemaregistry'
import kafkajs from '@kafkajs/confluent-schema-registry'
import { createFileRegistry, fromBinary, fromJson } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import Ajv2020 from 'ajv/dist/2020.js'

const version = (m) => m + ' ' + JSON.parse(readFileSync(new URL(`node_modules/${m}/package.json`, import.meta.url))).version
const base64 = (b) => Buffer.from(b).toString('base64')
const bytes = (s) => Buffer.from(s, 'base64')
const bytesOf = (headers) => Object.fromEntries(Object.entries(headers ?? {}).map(([k, v]) => [k, bytes(v)]))
const message = (r) => createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes(r.descriptors))).getMessage(r.message)
const info = (r) => ({ schema: r.schema, schemaType: r.format, references: r.references ?? [] })

// plain drops what protobuf objects carry beside their fields.
const plain = (v) => JSON.parse(JSON.stringify(v, (k, x) => k.startsWith('$') ? undefined : typeof x === 'bigint' ? Number(x) : x))

const modern = {
  serialize: async (client, r) => {
    const conf = { autoRegisterSchemas: r.mode === 'auto', useLatestVersion: r.mode === 'latest', normalizeSchemas: r.normalize }
    if (r.header) conf.schemaIdSerializer = confluent.HeaderSchemaIdSerializer
    const Serializer = { AVRO: confluent.AvroSerializer, JSON: confluent.JsonSerializer, PROTOBUF: confluent.ProtobufSerializer }[r.format]
    const serializer = new Serializer(client, confluent.SerdeType.VALUE, r.format === 'JSON' ? { ...conf, validate: true } : conf)
    let value = r.value
    if (r.format === 'PROTOBUF') {
      serializer.registry.add(message(r))
      value = fromJson(message(r), value)
    }
    const headers = {}
    const payload = await serializer.serialize(r.topic, value, headers)
    return { payload: base64(payload), headers: Object.fromEntries(Object.entries(headers).map(([k, v]) => [k, base64(v)])) }
  },
  deserialize: async (client, r) => {
    const Deserializer = { AVRO: confluent.AvroDeserializer, JSON: confluent.JsonDeserializer, PROTOBUF: confluent.ProtobufDeserializer }[r.format]
    const conf = { useLatestVersion: r.mode === 'latest' }
    const deserializer = new Deserializer(client, confluent.SerdeType.VALUE, r.format === 'JSON' ? { ...conf, validate: true } : conf)
    return { value: plain(await deserializer.deserialize(r.topic, bytes(r.payload), bytesOf(r.headers))) }
  },
  register: async (client, r) => ({ id: await client.register(r.subject, info(r), r.normalize ?? false) }),
  lookup: async (client, r) => ({
    id: await client.getId(r.subject, info(r), r.normalize ?? false),
    version: await client.getVersion(r.subject, info(r), r.normalize ?? false)
  }),
  compatible: async (client, r) => ({ compatible: await client.testSubjectCompatibility(r.subject, info(r)) }),
  get: async (client, r) => ({ text: (await client.getBySubjectAndId(r.subject, r.id)).schema })
}

const confluentSchema = (r) => ({ type: r.format, schema: r.schema, references: r.references ?? [] })

const classic = {
  serialize: async (client, r) => {
    const subject = r.topic + '-value'
    const id = await {
      auto: async () => (await client.register(confluentSchema(r), { subject })).id,
      lookup: () => client.getRegistryIdBySchema(subject, confluentSchema(r)),
      latest: () => client.getLatestSchemaId(subject)
    }[r.mode]()
    return { payload: base64(await client.encode(id, r.value)) }
  },
  deserialize: async (client, r) => {
    const options = r.format === 'AVRO' && r.schema ? { AVRO: { readerSchema: r.schema } } : undefined
    return { value: plain(await client.decode(bytes(r.payload), options)) }
  },
  register: async (client, r) => ({ id: (await client.register(confluentSchema(r), { subject: r.subject })).id }),
  lookup: async (client, r) => ({ id: await client.getRegistryIdBySchema(r.subject, confluentSchema(r)) })
}

const old = process.argv[2] === 'kafkajs'
async function answer (r) {
  if (r.op === 'version') return { text: version(old ? '@kafkajs/confluent-schema-registry' : '@confluentinc/schemaregistry') }
  const verb = (old ? classic : modern)[r.op]
  if (!verb) throw new Error(`unknown request ${r.op}`)
  if (old) {
    // The Ajv that it makes itself does not know draft 2020-12.
    const options = { JSON: { ajvInstance: new Ajv2020.default({ strict: false }) } }
    return verb(new kafkajs.SchemaRegistry({ host: process.env.REGISTRY, retry: { retries: 0 } }, options), r)
  }
  const client = new confluent.SchemaRegistryClient({ baseURLs: [process.env.REGISTRY] })
  try {
    return await verb(client, r)
  } finally {
    await client.close()
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let out
  try {
    out = await answer(JSON.parse(line))
  } catch (e) {
    out = { error: `${e.name}: ${e.message}` }
  }
  process.stdout.write(JSON.stringify(out) + '\n')
}
process.exit(0)
