#!/usr/bin/env bash
# Breaks the code on purpose, once with each patch of tests/sim/breakages, and wants to see the
# simulator fail each time. A patch that survives means a promise that nobody watches.
# SEEDS: worlds per patch. BITE_SECONDS: how long one patch may run, if five times as long as the
# code takes as it is is not longer; a hang counts as seen.
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${SEEDS:-2000}
seconds=${BITE_SECONDS:-120}
# Built without optimisation: most breakages are seen within a few worlds, and building is the longest
# part. One target folder for all, so that little is built anew.
export CARGO_PROFILE_TEST_OPT_LEVEL=${CARGO_PROFILE_TEST_OPT_LEVEL:-0}
export CARGO_TARGET_DIR=${BITE_TARGET_DIR:-$PWD/target/bite}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A copy of what is here, committed or not. As new as it is: cargo compares times, and what was built of
# another state of it is in the same target folder.
mkdir "$work/tree"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  if [ -f "$file" ]; then printf '%s\0' "$file"; fi
done | tar -c --null -T - | tar -x -m -C "$work/tree"

build() { cargo test --locked --quiet -p segue-server --test sim --no-run >"$work/build" 2>&1; }
simulate() {
  FAIL_FAST=1 SEEDS=$seeds timeout "$seconds" \
    cargo test --locked --quiet -p segue-server --test sim -- clusters seeds >"$work/out" 2>&1
}

cd "$work/tree"
patches=crates/segue-server/tests/sim/breakages
build || { tail -30 "$work/build"; echo "the code does not build as it is"; exit 1; }
began=$SECONDS
longest=$seconds
seconds=3600
simulate || { tail -30 "$work/out"; echo "the simulator fails as it is"; exit 1; }
seconds=$((5 * (SECONDS - began)))
[ "$seconds" -ge "$longest" ] || seconds=$longest

survived=0
row() { printf '%-40s %-16s %s\n' "$@"; }
row breakage result "what was seen first"
for patch in "$patches"/${BITE_ONLY:-*}.patch; do
  name=$(basename "$patch" .patch)
  if ! git apply "$patch" 2>/dev/null; then
    row "$name" "DOES NOT APPLY" ""
    survived=$((survived + 1))
    continue
  fi
  if ! build; then
    row "$name" "DOES NOT BUILD" ""
    survived=$((survived + 1))
  else
    status=0
    simulate || status=$?
    case $status in
      0)
        row "$name" SURVIVED ""
        survived=$((survived + 1))
        ;;
      124) row "$name" seen "it hangs" ;;
      *) row "$name" seen "$(grep -m1 -A1 '^SEED=' "$work/out" | tail -1 | sed 's/^ *//' | cut -c1-90)" ;;
    esac
  fi
  git apply -R "$patch"
done
[ "$survived" = 0 ] || { echo "$survived breakages were not seen"; exit 1; }
