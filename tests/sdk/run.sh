#!/bin/sh
# Runs the official Python SDKs against the gateway binary, in front of a scripted provider.
# OUTCOME_GATEWAY names a binary that is built already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/tests/.venv

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi
if [ -z "${OUTCOME_GATEWAY:-}" ]; then
    (cd "$root" && cargo build --locked --quiet --features gateway --bin outcome-gateway)
    OUTCOME_GATEWAY=${CARGO_TARGET_DIR:-$root/target}/debug/outcome-gateway
fi
export PYTHONDONTWRITEBYTECODE=1
exec timeout 300 "$venv/bin/python" "$here/sdk_test.py" "$OUTCOME_GATEWAY"
