#!/usr/bin/env bash
# @platformatic/kafka needs a newer Node.js than many systems have; one comes with
# its packages.
set -euo pipefail
cd "$(dirname "$0")"
for node in node_modules/node-linux-*/bin/node; do
  [ -x "$node" ] && exec "$node" client.mjs "$@"
done
exec node client.mjs "$@"
