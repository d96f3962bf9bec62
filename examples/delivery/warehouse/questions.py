"""Asks the warehouse, and compares the answers with the ledger.

    questions.py WAREHOUSE LEDGER
"""

import json
import pathlib
import sys

import duckdb

warehouse, ledger = map(pathlib.Path, sys.argv[1:])


def fail(text):
    sys.exit(f"  ✗ {text}")


# What counts is what a commit names.
commits = [json.loads(c.read_text()) for c in (warehouse / "_commits").glob("*.json")]
files = [str(warehouse / f) for c in commits for f in c["files"]]
if not files:
    fail(f"{warehouse} is empty")

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
db.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet({files}, hive_partitioning = true)")
db.execute(f"CREATE VIEW truth AS SELECT * FROM read_csv('{ledger / 'orders.csv'}')")

# The application sends an order again when it has died: the first record of an order counts.
db.execute("""
    CREATE VIEW orders AS SELECT * FROM records
    QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY kafka_offset) = 1
""")


def one(sql):
    return db.execute(sql).fetchone()


sent = json.loads((ledger / "sent.json").read_text())["orders"]
rows, offsets, orders = one("""
    SELECT (SELECT count(*) FROM records), (SELECT count(DISTINCT (kafka_partition, kafka_offset)) FROM records),
           (SELECT count(*) FROM orders)
""")
if (rows, offsets, orders) != (sent["events"] + sent["repeated"], rows, sent["events"]):
    fail(f"{rows} rows at {offsets} offsets are {orders} orders; {sent} were sent")
misplaced = one("SELECT count(*) FROM records WHERE day <> CAST(placed_at AS DATE)")[0]
if misplaced:
    fail(f"{misplaced} rows are in the folder of another day")
print(f"  ✓ {len(files)} files in {len(commits)} commits: {rows:,} rows, each offset once; {orders:,} orders, the rest repeats of the producer")


def compare(what, ask, truth):
    """Prints the answer and fails unless the ledger's is the same."""
    got, want = db.execute(ask).fetchall(), db.execute(truth).fetchall()
    if got != want:
        wrong = [pair for pair in zip(got, want) if pair[0] != pair[1]][:3]
        fail(f"{what}: {len(got)} rows, {len(want)} in the ledger; the first that differ: {wrong}")
    print(f"  ✓ {what}, as in the ledger ({len(got)} rows)")
    return got


for day, n in compare(
    "orders per day",
    "SELECT day, count(*) FROM orders GROUP BY day ORDER BY day",
    "SELECT CAST(make_timestamp(placed_at * 1000) AS DATE) AS day, count(*) FROM truth GROUP BY day ORDER BY day",
):
    print(f"        {day}  {n:>7,}")
revenue = "SELECT restaurant_id, count(*), sum(total_cents)::BIGINT AS cents FROM {} GROUP BY 1 ORDER BY cents DESC, 1"
for restaurant, n, cents in compare("revenue per restaurant", revenue.format("orders"), revenue.format("truth"))[:5]:
    print(f"        {restaurant}  {n:>7,} orders  {cents / 100:>12,.2f}")
