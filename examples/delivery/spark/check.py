"""Compares the hours that were written with the ledger.

    check.py OUT CHECKPOINT LEDGER
"""

import json
import pathlib
import sys
import urllib.parse

import duckdb

out, checkpoint, ledger = map(pathlib.Path, sys.argv[1:])
LATENESS_MS = 6 * 3_600_000


def fail(text):
    sys.exit(f"  ✗ {text}")


# The sink's log names the files that count; a batch that was cut off may have left others.
files = set()
for log in (out / "_spark_metadata").iterdir():
    if not log.name.startswith("."):
        for line in log.read_text().splitlines()[1:]:
            files.add(urllib.parse.unquote(urllib.parse.urlparse(json.loads(line)["path"]).path))
others = {str(p) for p in out.glob("*.parquet")} - files

newest = max((p for p in (checkpoint / "offsets").iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
watermark = json.loads(newest.read_text().splitlines()[1])["batchWatermarkMs"]

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
db.execute(f"CREATE VIEW hours AS SELECT epoch_ms(hour) AS hour, deliveries, total_ms, average_minutes FROM read_parquet({sorted(files)})")
db.execute(f"CREATE VIEW truth AS SELECT * FROM read_csv('{ledger / 'orders.csv'}') WHERE delivered_at IS NOT NULL")
last = db.execute("SELECT max(delivered_at) FROM truth").fetchone()[0]
if watermark != last - LATENESS_MS:
    fail(f"the watermark is {watermark}; the last delivery was at {last}, so it should be {last - LATENESS_MS}")
got = db.execute("SELECT hour, deliveries, total_ms FROM hours ORDER BY hour").fetchall()
want = db.execute(f"""
    SELECT delivered_at // 3600000 * 3600000 AS hour, count(*), sum(delivered_at - placed_at)::BIGINT FROM truth
    GROUP BY 1 HAVING hour + 3600000 <= {watermark} ORDER BY 1
""").fetchall()
if got != want:
    fail(f"{len(got)} hours, {len(want)} in the ledger; the first that differ: {[p for p in zip(got, want) if p[0] != p[1]][:3]}")
final, all_of_them = sum(n for _, n, _ in got), db.execute("SELECT count(*) FROM truth").fetchone()[0]
print(f"  ✓ {len(got)} hours with {final:,} of {all_of_them:,} deliveries are final, each as in the ledger, none twice")
print(f"    the last {LATENESS_MS // 3_600_000} hours are still open: more could come; {len(others)} files of a batch that was cut off are left out")
print("    the slowest:")
for hour, n, minutes in db.execute("SELECT make_timestamp(hour * 1000), deliveries, average_minutes FROM hours ORDER BY 3 DESC LIMIT 5").fetchall():
    print(f"        {hour:%Y-%m-%d %H:%M}  {n:>5} deliveries  {minutes:5.1f} min")
