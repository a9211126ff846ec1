#!/usr/bin/env bash
# Measures everything that docs/performance.md has a table of, and writes the tables into it. Takes
# about half an hour on a quiet machine. ONLY: names of tables, such as ONLY="echo turns".
# SCALE=small: runs of a second (or as long as a turn), less to rely on. BENCH_FOLDER: the disk that
# matters.
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/performance.md
cargo build --release --locked --quiet --bin segue
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

measure() { # the name of a table, the words of a command
  local name=$1
  shift
  case " ${ONLY:-$name} " in *" $name "*) ;; *) return 0 ;; esac
  # Fifty million entries take their time to write: only when asked for.
  [ "$name" != growth-large ] || [ -n "${ONLY:-}" ] || return 0
  local words=("$@")
  case "${SCALE:-} $name" in
    "small turns" | "small mixed" | "small idle") words+=(--seconds 4 --warm-up 1) ;;
    small*) words+=(--seconds 1 --warm-up 1) ;;
    *turns | *mixed) words+=(--seconds 10) ;;
    *idle) words+=(--seconds 60) ;;
  esac
  echo "== $name: segue load ${words[*]}"
  if ! target/release/segue load "${words[@]}" --folder "${BENCH_FOLDER:-target}" >"$work/table"; then
    echo "== $name: FAILED"
    cat "$work/table"
    failed=1
    return 0
  fi
  cat "$work/table"
  { echo "\`segue load ${words[*]}\`, $(date -u +%Y-%m-%d)"; echo; cat "$work/table"; } >"$work/new"
  awk -v begin="<!-- bench:$name -->" -v end="<!-- /bench:$name -->" -v table="$work/new" '
    $0 == begin { print; print ""; while ((getline line < table) > 0) print line; print ""; skip = 1; found = 1 }
    $0 == end { skip = 0 }
    !skip { print }
    END { if (!found) { print "no place for " begin > "/dev/stderr"; exit 1 } }' "$page" >"$work/page"
  cp "$work/page" "$page"
}

measure limits limits --sessions 1000
measure echo echo --sessions 1000
measure echo-16 echo --sessions 200 --depth 16
measure echo-rate echo --sessions 1000 --rate 5000
measure echo-one echo --sessions 1
measure echo-long echo --sessions 1 --history 5000
measure turns turns --sessions 400 --rate 100
measure fanout fanout --sessions 50 --members 10 --depth 8
measure turns-many turns --sessions 4000 --rate 1000
measure idle idle --sessions 15000 --runs 3
measure storm storm --sessions 10000 --rate 1000 --runs 3
measure storm-planned storm --sessions 1000 --runs 5 --planned
measure growth growth --stored-sessions 100000 --stored-entries 50
measure growth-large growth --stored-sessions 1000000 --stored-entries 50 --runs 3
measure replay replay --sessions 2000
measure create create
measure mixed mixed --sessions 500
[ "$failed" = 0 ]
