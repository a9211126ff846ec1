#!/usr/bin/env bash
# What takes long or needs rights: the real program killed a hundred times under load, its syncs
# counted and made to fail with strace, its disk filled (root: mounts a tmpfs); then a hostile hour,
# which needs about a gigabyte of memory for a disk that is a tmpfs.
# ROUNDS, SESSIONS and SEED may be given; HOSTILE_SECONDS (3600) and HOSTILE_SEED.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
if ! command -v strace >/dev/null 2>&1 || ! command -v faketime >/dev/null 2>&1; then
  echo "installing strace and faketime"
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends strace faketime >/dev/null
fi

echo "== killed under load"
ROUNDS=${ROUNDS:-100} cargo test --locked -p segue-server --test crash -- --nocapture

# Built by whoever owns the checkout, run by whoever may mount.
echo "== syncs and disks"
cargo test --locked -p segue-server --test soak --no-run
program=$(cargo test --locked -p segue-server --test soak --no-run --message-format json 2>/dev/null |
  sed -n 's/.*"name":"soak".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
$as_root "$program" --nocapture --test-threads 1 --skip hostile

echo "== a hostile hour"
$as_root env HOSTILE_SECONDS="${HOSTILE_SECONDS:-3600}" ${HOSTILE_SEED:+HOSTILE_SEED="$HOSTILE_SEED"} \
  "$program" --nocapture hostile
