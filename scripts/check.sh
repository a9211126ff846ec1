#!/usr/bin/env bash
# What needs no running program. Advisories are not looked up: that needs a network of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check
cargo clippy --locked --workspace --all-targets -- -D warnings
# Not among all targets, because it is not among the tests.
cargo clippy --locked -p segue-server --test soak -- -D warnings
command -v cargo-deny >/dev/null 2>&1 || cargo install --locked --quiet cargo-deny
cargo deny --log-level error check bans licenses sources
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet
