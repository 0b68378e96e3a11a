#!/usr/bin/env bash
# Runs every check of this project and installs what they use where it is missing.
#
#   tests/run.sh          formatting, lints, tests, documentation, the real SDKs, a browser
#   tests/run.sh --full   the same, then what takes long: a million calls, fuzzing, more cases
set -euo pipefail
cd "$(dirname "$0")/.."

full=
for argument in "$@"; do
    case "$argument" in
        --full) full=1 ;;
        *) echo "usage: tests/run.sh [--full]" >&2; exit 2 ;;
    esac
done

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

# A fresh Debian machine: a C compiler, linker and make for Rust, Python with venv for the SDKs, a server for
# the store (each test starts its own).
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
missing=()
command -v cc >/dev/null && command -v make >/dev/null || missing+=(build-essential)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v redis-server >/dev/null || command -v valkey-server >/dev/null || missing+=(redis-server)
if [ ${#missing[@]} -gt 0 ]; then
    step "installing ${missing[*]}"
    as_root apt-get update -q
    as_root apt-get install -qy "${missing[@]}"
fi
command -v cargo >/dev/null || { echo "cargo is missing: install Rust with rustup first" >&2; exit 1; }
for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done

export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}" CARGO_INCREMENTAL=0

step "formatting"
cargo fmt --all --check

step "lints, all features"
cargo clippy --locked --all-targets --all-features -- -D warnings
step "lints, no features"
cargo clippy --locked --all-targets -- -D warnings

step "tests, all features"
cargo test --locked --all-features --all-targets
step "tests, no features"
cargo test --locked --lib --tests
step "documentation tests"
cargo test --locked --all-features --doc

step "examples"
for example in hyper_client reqwest_client axum_gateway feedback; do
    cargo run --locked -q --all-features --example "$example" >/dev/null
done

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --all-features --no-deps

step "the gateway with the real SDKs"
tests/sdk/run.sh

step "the dashboard in a real browser"
tests/dashboard/run.sh

if [ -n "$full" ]; then
    step "a million calls with faults"
    SOAK_CALLS=1000000 cargo test --locked --release --test soak -- --nocapture
    step "a gateway killed a hundred times, and a large snapshot with every bit flipped"
    OUTCOME_STORE_KILLS=100 cargo test --locked --all-features --lib --test gateway f48_ -- --nocapture
    SNAPSHOT_TASKS=100 cargo test --locked --all-features --test snapshot -- --nocapture
    step "the store, long forms"
    STORE_FULL=1 cargo test --locked --all-features --test store
    STORE_FULL=1 cargo test --locked --all-features --test gateway fleet:: -- --nocapture
    step "how good the decisions are, against the reference"
    cargo run --locked --release -q --example simulate -- --compare benches/quality/reference.tsv
    step "property tests, twenty times the cases"
    PROPTEST_CASES=5000 cargo test --locked --all-features --lib --tests
    if cargo +nightly --version >/dev/null 2>&1; then
        command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
        for target in json answers headers sse lines frames array; do
            step "fuzzing $target for a minute"
            cargo +nightly fuzz run -s none "$target" -- -max_total_time=60 -max_len=4096 -print_final_stats=1
        done
    else
        echo "fuzzing is left out: it needs a nightly toolchain (rustup toolchain install nightly)"
    fi
fi

step "all passed"
