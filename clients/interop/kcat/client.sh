#!/usr/bin/env bash
# kcat (librdkafka) as a client of the interop scenarios; see python/client.py
# for the commands. A group consumer leaves at the end of what there is.
set -euo pipefail
case "$1" in
version) kcat -V 2>&1 | grep -oE 'Version .*' ;;
list) kcat -b "$BOOTSTRAP" -L -J | python3 -c 'import json,sys; print("\n".join(sorted(t["topic"] for t in json.load(sys.stdin)["topics"])))' ;;
produce)
  for ((i = 0; i < $3; i++)); do echo "k-$i:kcat-$i"; done |
    kcat -b "$BOOTSTRAP" -P -t "$2" -K : -z "$4" -X acks=all -X message.timeout.ms=120000 ;;
consume)
  kcat -b "$BOOTSTRAP" -X auto.offset.reset=earliest -c "$4" \
    -f '{"partition":%p,"offset":%o,"key":"%k","value":"%s"}\n' -q -G "$3" "$2" ;;
*) echo "unknown command $1" >&2; exit 2 ;;
esac
