"""confluent-kafka for Python as a client of the interop scenarios.

    client.py version
    client.py list
    client.py produce TOPIC COUNT CODEC
    client.py consume TOPIC GROUP COUNT
    client.py produce-avro|produce-protobuf TOPIC COUNT
    client.py consume-avro|consume-protobuf TOPIC GROUP COUNT
    client.py produce-csfle TOPIC COUNT
    client.py consume-csfle TOPIC GROUP COUNT

BOOTSTRAP and REGISTRY name the servers. Records that were read are printed one
JSON object per line. COUNT consumed records end a consumer, which then commits
synchronously.
"""

import json
import os
import sys

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

BOOTSTRAP = os.environ["BOOTSTRAP"]
REGISTRY = os.environ.get("REGISTRY", "")
AVRO_SCHEMA = open(os.path.join(os.path.dirname(__file__), "..", "order.avsc")).read()
NAME = "python"


def order(i):
    return {"id": i, "customer": f"{NAME}-{i}", "total": i * 1.5, "note": None if i % 2 else f"note {i}"}


def produce(topic, count, codec, value=lambda i: f"{NAME}-{i}".encode()):
    failed = []
    producer = Producer({
        "bootstrap.servers": BOOTSTRAP,
        "enable.idempotence": True,
        "compression.type": codec,
        "message.timeout.ms": 120000,
        "linger.ms": 5,
    })
    for i in range(count):
        producer.produce(topic, key=f"k-{i}".encode(), value=value(i),
                         on_delivery=lambda err, msg: err and failed.append(str(err)))
        producer.poll(0)
    if producer.flush(150) or failed:
        sys.exit(f"not delivered: {failed[:3]}")


def consume(topic, group, count, show):
    consumer = Consumer({
        "bootstrap.servers": BOOTSTRAP,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([topic])
    got = 0
    while got < count:
        msg = consumer.poll(180)
        if msg is None:
            sys.exit(f"nothing for 180 s after {got} of {count} records")
        if msg.error():
            if msg.error().code() == KafkaError._PARTITION_EOF:
                continue
            sys.exit(str(msg.error()))
        print(json.dumps({"partition": msg.partition(), "offset": msg.offset(),
                          "key": msg.key().decode(), "value": show(msg)}))
        got += 1
    consumer.commit(asynchronous=False)
    consumer.close()


def context(topic):
    return SerializationContext(topic, MessageField.VALUE)


def protobuf_module():
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "build"))
    import order_pb2
    return order_pb2


RULES = {"secret": "interop"}


def register_rules():
    from confluent_kafka.schema_registry.rules.encryption.encrypt_executor import EncryptionExecutor, FieldEncryptionExecutor
    from confluent_kafka.schema_registry.rules.encryption.localkms.local_driver import LocalKmsDriver
    LocalKmsDriver.register()
    EncryptionExecutor.register()
    FieldEncryptionExecutor.register()


def main(command, *args):
    if command == "version":
        print(f"confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}")
    elif command == "list":
        print("\n".join(sorted(AdminClient({"bootstrap.servers": BOOTSTRAP}).list_topics(timeout=120).topics)))
    elif command == "produce":
        produce(args[0], int(args[1]), args[2])
    elif command == "consume":
        consume(args[0], args[1], int(args[2]), lambda m: m.value().decode())
    elif command == "produce-avro":
        serialize = AvroSerializer(SchemaRegistryClient({"url": REGISTRY}), AVRO_SCHEMA)
        produce(args[0], int(args[1]), "none", lambda i: serialize(order(i), context(args[0])))
    elif command == "consume-avro":
        deserialize = AvroDeserializer(SchemaRegistryClient({"url": REGISTRY}), AVRO_SCHEMA)
        consume(args[0], args[1], int(args[2]), lambda m: deserialize(m.value(), context(args[0])))
    elif command == "produce-csfle":
        register_rules()
        serialize = AvroSerializer(SchemaRegistryClient({"url": REGISTRY}), None,
                                   conf={"auto.register.schemas": False, "use.latest.version": True}, rule_conf=RULES)
        produce(args[0], int(args[1]), "none", lambda i: serialize(order(i), context(args[0])))
    elif command == "consume-csfle":
        register_rules()
        deserialize = AvroDeserializer(SchemaRegistryClient({"url": REGISTRY}), rule_conf=RULES)
        consume(args[0], args[1], int(args[2]), lambda m: deserialize(m.value(), context(args[0])))
    elif command == "produce-protobuf":
        pb = protobuf_module()
        serialize = ProtobufSerializer(pb.Order, SchemaRegistryClient({"url": REGISTRY}), {"use.deprecated.format": False})

        def value(i):
            o = {k: v for k, v in order(i).items() if v is not None}
            return serialize(pb.Order(**o), context(args[0]))

        produce(args[0], int(args[1]), "none", value)
    elif command == "consume-protobuf":
        pb = protobuf_module()
        deserialize = ProtobufDeserializer(pb.Order, {"use.deprecated.format": False})

        def show(m):
            o = deserialize(m.value(), context(args[0]))
            return {"id": o.id, "customer": o.customer, "total": o.total, "note": o.note if o.HasField("note") else None}

        consume(args[0], args[1], int(args[2]), show)
    else:
        sys.exit(f"unknown command {command}")


main(*sys.argv[1:])
