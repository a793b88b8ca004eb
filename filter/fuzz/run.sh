#!/usr/bin/env bash
# Runs fuzz targets one after the other and says what came of each. `make fuzz` calls it.
#
#   filter/fuzz/run.sh [TARGET...]      all of them unless named
#   FUZZ_SECONDS=60                     for each target
#   FUZZ_ARGS=                          more arguments for libFuzzer
#
# What it finds new goes to $CARGO_TARGET_DIR/fuzz/corpus, failing inputs to filter/fuzz/artifacts; the corpus that
# is part of the project is only read.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
seconds=${FUZZ_SECONDS:-60}
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-$here/../../target}")/fuzz
export CARGO_TARGET_DIR=$target_dir

if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "make fuzz: needs a nightly compiler: rustup toolchain install nightly --profile minimal" >&2
  exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "make fuzz: needs cargo-fuzz: cargo install cargo-fuzz --version 0.13.1 --locked" >&2
  exit 1
fi

cd "$here/.."
targets=("$@")
if [ $# -eq 0 ]; then mapfile -t targets < <(cargo +nightly fuzz list); fi
for target in "${targets[@]}"; do cargo +nightly fuzz build "$target"; done

findings_of() {
  mkdir -p "fuzz/artifacts/$1"
  find "fuzz/artifacts/$1" -type f ! -name 'slow-unit-*' | wc -l
}

table=()
failed=0
for target in "${targets[@]}"; do
  work=$target_dir/corpus/$target
  log=$target_dir/$target.log
  mkdir -p "$work"
  before=$(findings_of "$target")
  TIMEFORMAT='%U %S'
  used=$({ time cargo +nightly fuzz run "$target" "$work" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -max_len=2048 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    ${FUZZ_ARGS:-} >"$log" 2>&1 || true; } 2>&1 | awk '{ printf "%.0f", $1 + $2 }')
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
  findings=$(($(findings_of "$target") - before))
  # A run that did not get to its end is a finding too, whatever it left behind.
  if [ "$findings" -eq 0 ] && ! grep -q '^Done ' "$log"; then findings=1; fi
  if [ "$findings" -gt 0 ]; then
    failed=1
    tail -n 40 "$log" >&2
  fi
  table+=("$(printf '%-18s %12s %8s %9s' "$target" "${runs:-?}" "$used" "$findings")")
  echo "${table[-1]}"
done

echo
printf '%-18s %12s %8s %9s\n' target runs "cpu s" findings
printf '%s\n' "${table[@]}"
exit $failed
