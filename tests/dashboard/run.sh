#!/bin/sh
# Looks at the dashboard with a real browser, in front of the gateway binary. OUTCOME_GATEWAY names a
# binary that is built already. Pictures of the page are left in target/dashboard.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$here/.venv

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    as_root apt-get update -q
    as_root apt-get install -qy --no-install-recommends chromium chromium-driver fonts-dejavu-core
fi
if ! command -v redis-server >/dev/null && ! command -v valkey-server >/dev/null; then
    as_root apt-get update -q
    as_root apt-get install -qy --no-install-recommends redis-server
fi
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi
target=${CARGO_TARGET_DIR:-$root/target}
if [ -z "${OUTCOME_GATEWAY:-}" ]; then
    (cd "$root" && cargo build --locked --quiet --features gateway --bin outcome-gateway)
    OUTCOME_GATEWAY=$target/debug/outcome-gateway
fi
mkdir -p "$target/dashboard"
export PYTHONDONTWRITEBYTECODE=1
exec timeout 400 "$venv/bin/python" "$here/dashboard_test.py" "$OUTCOME_GATEWAY" "$target/dashboard"
