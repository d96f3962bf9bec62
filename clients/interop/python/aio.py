"""aiokafka as a client of the interop scenarios; see client.py for the commands."""

import asyncio
import json
import os
import sys

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

BOOTSTRAP = os.environ["BOOTSTRAP"]
NAME = "aiokafka"


async def list_topics():
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    print("\n".join(sorted(await admin.list_topics())))
    await admin.close()


async def produce(topic, count, codec):
    async with AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP,
        enable_idempotence=True,
        compression_type=None if codec == "none" else codec,
        linger_ms=5,
    ) as producer:
        await asyncio.gather(*[
            await producer.send(topic, key=f"k-{i}".encode(), value=f"{NAME}-{i}".encode())
            for i in range(count)
        ])


async def consume(topic, group, count):
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=BOOTSTRAP,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=45000,
    ) as consumer:
        for _ in range(count):
            m = await consumer.getone()
            print(json.dumps({"partition": m.partition, "offset": m.offset, "key": m.key.decode(), "value": m.value.decode()}))
        await consumer.commit()


def main(command, *args):
    if command == "version":
        print(f"aiokafka {aiokafka.__version__}")
    elif command == "list":
        asyncio.run(list_topics())
    elif command == "produce":
        asyncio.run(produce(args[0], int(args[1]), args[2]))
    elif command == "consume":
        asyncio.run(asyncio.wait_for(consume(args[0], args[1], int(args[2])), 180))
    else:
        sys.exit(f"unknown command {command}")


main(*sys.argv[1:])
