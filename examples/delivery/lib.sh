# What the pipelines' scripts share; sourced. It starts a server in a folder of
# its own, unless DELIVERY_KAFKA (host:port) and DELIVERY_REGISTRY (URL) name
# one, be it Dovetail or Kafka, and ends whatever was started.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${DELIVERY_DIR:-$here/build/$pipeline}
dovetail=$here/build/bin/dovetail
events=$here/build/bin/events
warehouse=$here/build/bin/warehouse
ORDERS=${ORDERS:-20000}
began=$SECONDS
started=() # process IDs, newest last

chapter() { printf '\n    %s\n' "$*"; }
say() { printf '    %s\n' "$*"; }
proven() { printf '  ✓ %s\n' "$*"; }
fail() { printf '  ✗ %s\n' "$*" >&2; exit 1; }

# end ends a process that was started here, and waits for it.
end() {
  kill "-${2:-TERM}" "$1" 2>/dev/null || return 0
  wait "$1" 2>/dev/null || true
}

ending=() # functions to call before the processes are ended
finish() {
  local status=$? i
  trap - EXIT INT TERM
  for f in "${ending[@]+"${ending[@]}"}"; do "$f" || true; done
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do end "${started[i]}"; done
  if [ $status -eq 0 ]; then
    printf '\n    Every sum is right, in %d seconds.\n' $((SECONDS - began))
  else
    printf '\n  ✗ not right (logs are in %s)\n' "$work" >&2
  fi
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# await WHAT SECONDS COMMAND...: runs the command until it succeeds.
await() {
  local what=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || fail "waited in vain: $what"
    sleep 0.2
  done
}

# port prints one that nobody listens on.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# day N prints the day that was N days ago.
day() { python3 -c 'import datetime, sys; print((datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=int(sys.argv[1]))).date())' "$1"; }

rm -rf "$work"
mkdir -p "$work"
if [ -n "${DELIVERY_KAFKA:-}" ]; then
  export DOVETAIL_KAFKA=$DELIVERY_KAFKA DOVETAIL_REGISTRY=${DELIVERY_REGISTRY:?the URL of the registry}
  say "with the broker at $DOVETAIL_KAFKA and the registry at $DOVETAIL_REGISTRY"
else
  export DOVETAIL_KAFKA=127.0.0.1:$(port)
  http=127.0.0.1:$(port)
  export DOVETAIL_REGISTRY=http://$http
  "$dovetail" serve --data-dir "$work/data" --kafka-addr "$DOVETAIL_KAFKA" --http-addr "$http" >"$work/server.log" 2>&1 &
  started+=($!)
  await "the server to be ready" 60 curl -sf "$DOVETAIL_REGISTRY/readyz"
  say "dovetail serve: broker $DOVETAIL_KAFKA, registry and console $DOVETAIL_REGISTRY/console/"
fi
reach=(--kafka "$DOVETAIL_KAFKA" --registry "$DOVETAIL_REGISTRY")
