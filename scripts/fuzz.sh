#!/usr/bin/env bash
# Fuzz the kernel and the HDF5 filter under the address and undefined-behaviour sanitizers.
#
#   bash scripts/fuzz.sh [SECONDS=60] [SEED=from the clock] [FIRST_ITERATION=0]
#
# What broke it is printed as a seed and an iteration, which run again give the same input.
# scripts/fuzz_coverage.sh looks for what these do not reach.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kernel_flags.sh
source scripts/fuzz_build.sh

seconds="${1:-60}"
seed="${2:-$(date +%s)}"
first="${3:-0}"

compile=("${CC:-cc}" -std=c11 -g -O1 "${FUZZ_SANITIZERS[@]}")
link=()
build_fuzzers build/fuzz decode engine region hdf5 datasets mixture coders

# Larger than every array that the fuzzers let a header describe, with its working space.
export ASAN_OPTIONS="max_allocation_size_mb=256:detect_leaks=1:${ASAN_OPTIONS:-}"
shopt -s nullglob
build/fuzz/fuzz_region "$((seconds / 4))" "$seed" "$first"
build/fuzz/fuzz_hdf5 "$((seconds / 8))" "$seed" "$first"
build/fuzz/fuzz_datasets "$((seconds / 8))" "$seed" "$first"
build/fuzz/fuzz_mixture "$((seconds / 8))" "$seed" "$first"
build/fuzz/fuzz_coders "$((seconds / 8))" "$seed" "$first"
build/fuzz/fuzz_engine "$((seconds / 8))" "$seed" "$first"
build/fuzz/fuzz_decode "$((seconds - seconds / 4 - seconds / 8 * 5))" "$seed" "$first" tests/golden/*.medroi
