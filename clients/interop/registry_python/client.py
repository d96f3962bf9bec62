"""confluent-kafka for Python as a client of the registry scenarios.

REGISTRY names the server. One request is one line of JSON on standard input,
its answer one line on standard output; ../registry_wire_test.go says what is
in them. Every request is served by a client that has learned nothing before.
"""

import base64
import json
import os
import sys

import confluent_kafka
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def schema(r):
    references = [SchemaReference(x["name"], x["subject"], x["version"]) for x in r.get("references") or []]
    return Schema(r["schema"], r["format"], references)


def message_class(r):
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(r["descriptors"])).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(r["message"]))


def serialize(client, r):
    conf = {
        "auto.register.schemas": r.get("mode") == "auto",
        "use.latest.version": r.get("mode") == "latest",
        "normalize.schemas": r.get("normalize", False),
    }
    if r.get("header"):
        conf["schema.id.serializer"] = header_schema_id_serializer
    value = r["value"]
    if r["format"] == "AVRO":
        write = AvroSerializer(client, schema(r) if r.get("schema") else None, conf=conf)
    elif r["format"] == "JSON":
        write = JSONSerializer(schema(r) if r.get("schema") else None, client, conf=conf)
    else:
        cls = message_class(r)
        conf["use.deprecated.format"] = False
        write = ProtobufSerializer(cls, client, conf)
        value = json_format.ParseDict(value, cls())
    headers = []
    payload = write(value, SerializationContext(r["topic"], MessageField.VALUE, headers))
    headers = headers.items() if isinstance(headers, dict) else headers
    return {"payload": base64.b64encode(payload).decode(),
            "headers": {k: base64.b64encode(v).decode() for k, v in headers}}


def deserialize(client, r):
    headers = [(k, base64.b64decode(v)) for k, v in (r.get("headers") or {}).items()]
    reader = schema(r) if r.get("schema") else None
    if r["format"] == "AVRO":
        read = AvroDeserializer(client, reader)
    elif r["format"] == "JSON":
        read = JSONDeserializer(reader, schema_registry_client=client)
    else:
        read = ProtobufDeserializer(message_class(r), {"use.deprecated.format": False}, client)
    value = read(base64.b64decode(r["payload"]), SerializationContext(r["topic"], MessageField.VALUE, headers))
    if r["format"] == "PROTOBUF":
        value = json_format.MessageToDict(value)
    return {"value": value}


def answer(r):
    if r["op"] == "version":
        return {"text": f"confluent-kafka {confluent_kafka.__version__}"}
    client = SchemaRegistryClient({"url": os.environ["REGISTRY"]})
    if r["op"] == "serialize":
        return serialize(client, r)
    if r["op"] == "deserialize":
        return deserialize(client, r)
    if r["op"] == "register":
        return {"id": client.register_schema(r["subject"], schema(r), normalize_schemas=r.get("normalize", False))}
    if r["op"] == "lookup":
        found = client.lookup_schema(r["subject"], schema(r), normalize_schemas=r.get("normalize", False))
        return {"id": found.schema_id, "version": found.version}
    if r["op"] == "compatible":
        return {"compatible": client.test_compatibility(r["subject"], schema(r))}
    if r["op"] == "get":
        return {"text": client.get_schema(r["id"]).schema_str}
    raise ValueError(f"unknown request {r['op']}")


for line in sys.stdin:
    try:
        out = answer(json.loads(line))
    except Exception as e:  # whatever it is, it is the answer
        out = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(out), flush=True)
