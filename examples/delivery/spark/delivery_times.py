"""How long deliveries take, hour by hour: micro-batches over the changes of orders.

    delivery_times.py --jars DIR --kafka HOST:PORT --registry URL --out DIR --checkpoint DIR

    order-status ─ frame off, Avro by the registry's schema ─ DELIVERED ─ once per order ─ hours ─▶ Parquet

Runs until nothing is left to read. The checkpoint remembers the
offsets of each micro-batch and the state behind it; the folder remembers the
files of each. So whoever runs it again after it was killed, gets the batch that
was cut off again, whole, and its files once.
"""

import argparse
import json
import pathlib
import urllib.request

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql.avro.functions import from_avro

LATENESS = "6 hours"  # an hour's average is final when time has come so far past it

args = argparse.ArgumentParser()
for name in ("jars", "kafka", "registry", "out", "checkpoint"):
    args.add_argument(f"--{name}", required=True)
args.add_argument("--topic", default="order-status")
args.add_argument("--batch", type=int, default=6000, help="records of a micro-batch")
args = args.parse_args()

with urllib.request.urlopen(f"{args.registry}/subjects/{args.topic}-value/versions/latest") as answer:
    registered = json.load(answer)

spark = (
    SparkSession.builder.master("local[2]")
    .appName("delivery-times")
    .config("spark.jars", ",".join(str(j) for j in sorted(pathlib.Path(args.jars).glob("*.jar"))))
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("WARN")

records = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", args.kafka)
    .option("subscribe", args.topic)
    .option("startingOffsets", "earliest")
    .option("maxOffsetsPerTrigger", args.batch)
    .load()
)

# A value is 00, the schema's ID in four bytes, and then Avro. from_avro knows one
# writer's schema; a record that names another must not be read with it.
frame = f"00{registered['id']:08X}"
avro = f.when(f.expr("hex(substring(value, 1, 5))") == frame, f.expr("substring(value, 6)")).otherwise(
    f.raise_error(f.concat(f.lit(f"a value does not begin with {frame}: "), f.expr("hex(substring(value, 1, 5))")))
)
changes = records.select(from_avro(avro, registered["schema"], {"mode": "FAILFAST"}).alias("change")).select("change.*")

hours = (
    changes.where("status = 'DELIVERED'")
    .withWatermark("at", LATENESS)
    .dropDuplicates(["order_id", "at"])  # what the application sent again
    .groupBy(f.window("at", "1 hour"))
    .agg(f.count("*").alias("deliveries"), f.sum(f.unix_millis("at") - f.unix_millis("placed_at")).alias("total_ms"))
    .select(
        f.col("window.start").alias("hour"),
        "deliveries",
        "total_ms",
        (f.col("total_ms") / f.col("deliveries") / 60_000).alias("average_minutes"),
    )
)

query = (
    hours.writeStream.format("parquet")
    .option("path", args.out)
    .option("checkpointLocation", args.checkpoint)
    .outputMode("append")
    .start()
)
query.processAllAvailable()
query.stop()
rows = sum(p["numInputRows"] for p in query.recentProgress)
batches = {p["batchId"] for p in query.recentProgress if p["numInputRows"]}
print(f"    {rows:,} records in {len(batches)} micro-batches, numbers {min(batches, default=0)} to {max(batches, default=0)}")
spark.stop()
