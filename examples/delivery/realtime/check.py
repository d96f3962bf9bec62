#!/usr/bin/env python3
"""Compares alerts with the ledger: each late order once, with its courier and by how much.

    check.py LEDGER ALERTS      ALERTS has a document a line
    check.py --expected LEDGER  prints how many there should be
"""

import csv
import json
import pathlib
import sys


def late(ledger):
    """Returns the orders that were delivered after they were promised, by ID."""
    orders = {}
    with open(pathlib.Path(ledger) / "orders.csv", newline="") as rows:
        for o in csv.DictReader(rows):
            if o["delivered_at"] and int(o["delivered_at"]) > int(o["promised_at"]):
                seconds = (int(o["delivered_at"]) - int(o["promised_at"])) // 1000
                orders[o["order_id"]] = (o["restaurant_id"], o["courier_id"], seconds)
    return orders


def value(field):
    """Returns the value of a nullable field, which Avro's JSON wraps."""
    return next(iter(field.values())) if isinstance(field, dict) else field


def main():
    if sys.argv[1] == "--expected":
        print(len(late(sys.argv[2])))
        return
    want, seen = late(sys.argv[1]), {}
    with open(sys.argv[2]) as lines:
        for line in lines:
            alert = {k: value(v) for k, v in json.loads(line).items()}
            if alert["order_id"] in seen:
                sys.exit(f"  ✗ two alerts for one order: {seen[alert['order_id']]} and {alert}")
            seen[alert["order_id"]] = alert
    got = {k: (a["restaurant_id"], a["courier_id"], a["late_seconds"]) for k, a in seen.items()}
    if got != want:
        wrong = [(k, got.get(k), want.get(k)) for k in sorted(got.keys() | want.keys()) if got.get(k) != want.get(k)]
        sys.exit(f"  ✗ {len(got)} alerts, {len(want)} late orders; {len(wrong)} differ, among them {wrong[:3]}")
    print(f"  ✓ {len(want):,} late orders, {len(seen):,} alerts: each order once, with its courier")
    for alert in sorted(seen.values(), key=lambda a: -a["late_seconds"])[:5]:
        print(f"        {alert['order_id']}  {alert['courier']:<8}  {alert['late_seconds'] / 60:5.1f} min late")


main()
