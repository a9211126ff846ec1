#!/usr/bin/env bash
# All tests, from a clean checkout on a machine that has the language's toolchain, Node and the
# usual build tools. Prints a closing line that counts them.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

need() { # a program, the Debian package that has it
  command -v "$1" >/dev/null 2>&1 && return
  echo "installing $2"
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo"
  if [ -z "${updated:-}" ]; then $as_root apt-get update -qq; updated=1; fi
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

failed=0
step() { # a name, a command
  local name=$1 began=$SECONDS
  shift
  echo "== $name"
  if "$@" 2>&1 | tee -a "$log"; then
    echo "== $name: done in $((SECONDS - began)) s"
  else
    echo "== $name: FAILED after $((SECONDS - began)) s"
    failed=$((failed + 1))
  fi
}

browser_tests() {
  (cd web/e2e && npm ci --silent --no-audit --no-fund && SEGUE_BIN="$PWD/../../target/debug/segue" node --test --test-reporter=tap)
}

need chromium chromium
need git git
# What is in front of the server in docs/deploy.md.
need nginx nginx-light
need haproxy haproxy
need caddy caddy
need systemd-analyze systemd
# Counts instructions.
need valgrind valgrind
step "format" cargo fmt --check
step "lints" cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
# One build for all; the tests of every crate, then the program in a browser.
FUZZ_SECONDS=${FUZZ_SECONDS:-30} SEEDS=${SEEDS:-2000} step "cargo" cargo test --locked --workspace --no-fail-fast
step "browser" browser_tests
step "bench-check" make --no-print-directory bench-check

# The lines of cargo's runner and of node's, added up.
count() { awk -v word="$1" '
  /^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) n += $(i - 1) }
  word == "passed" && /^# pass / { n += $3 }
  word == "failed" && /^# fail / { n += $3 }
  END { print n + 0 }' "$log"; }
passed=$(count passed)
broken=$(count failed)
if [ "$failed" -gt 0 ] && [ "$broken" = 0 ]; then broken=$failed; fi
echo "$passed passed, $broken failed"
[ "$failed" = 0 ]
