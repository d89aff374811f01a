#!/usr/bin/env bash
# Fuzz the kernel and the HDF5 filter guided by coverage, for long, and say what was reached.
#
#   bash scripts/fuzz_coverage.sh [SECONDS=3600]
#
# Each target is a program of tests/fuzz as libFuzzer builds it: streams of every inner codec,
# configurations and region searches through the public interface, the HDF5 filter, mixtures, symbols
# and value maps. Checksums are made right after each mutation. What it found stays in
# build/coverage/corpus for the next run, and an input that broke something in build/coverage: the
# target, run with that file, shows it again. The report of the lines of src/kernel is in
# build/coverage/report.txt; fewer than 88 % are an error after an hour.
#
# Needs clang with its runtime, and LLVM's tools (Debian: clang llvm libclang-rt-14-dev).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds="${1:-3600}"
MIN_PERCENT=88
CC="${CC:-clang}"
for tool in "$CC" llvm-profdata llvm-cov; do
    if ! command -v "$tool" >/dev/null; then
        printf '%s is needed: apt install clang llvm libclang-rt-14-dev\n' "$tool" >&2
        exit 1
    fi
done
source scripts/kernel_flags.sh
source scripts/fuzz_build.sh

folder=build/coverage
targets=(decode engine region hdf5 datasets mixture coders)
shares=(30 22 20 8 6 4 10) # of the time, in percent

mkdir -p "$folder/profiles"
compile=("$CC" -std=c11 -g -O1 "${FUZZ_SANITIZERS[@]}" -fsanitize=fuzzer-no-link -DMEDROI_LIBFUZZER
    -fprofile-instr-generate -fcoverage-mapping)
link=(-fsanitize=fuzzer)
build_fuzzers "$folder" "${targets[@]}"

for target in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$target" "$folder/seeds/$target"
    cp tests/golden/*.npz "$folder/seeds/$target" # bytes without order: as good as any to begin with
done
cp tests/golden/*.medroi "$folder/seeds/decode"
LLVM_PROFILE_FILE=/dev/null "$folder/fuzz_decode" --write "$folder/seeds/decode" 400

# The decoders' own working space is larger than what the fuzzers let a header describe.
export ASAN_OPTIONS="max_allocation_size_mb=256:detect_leaks=1:${ASAN_OPTIONS:-}"
rm -f "$folder"/profiles/*
status=0
for i in "${!targets[@]}"; do
    target="${targets[i]}"
    printf '== %s, %d s\n' "$target" "$((seconds * shares[i] / 100))"
    LLVM_PROFILE_FILE="$folder/profiles/$target-%p.profraw" "$folder/fuzz_$target" \
        -max_total_time="$((seconds * shares[i] / 100))" -max_len=16384 -rss_limit_mb=4096 \
        -timeout=60 -print_final_stats=0 -verbosity=0 -artifact_prefix="$folder/$target-" \
        "$folder/corpus/$target" "$folder/seeds/$target" || status=1
done

llvm-profdata merge -sparse "$folder"/profiles/*.profraw -o "$folder/coverage.profdata"
objects=()
for target in "${targets[@]:1}"; do
    objects+=(-object "$folder/fuzz_$target")
done
llvm-cov report "$folder/fuzz_${targets[0]}" "${objects[@]}" -instr-profile="$folder/coverage.profdata" \
    src/kernel >"$folder/report.txt"
awk '$8 ~ /^[0-9]+$/ && $8 > 0 {print $1, $8 - $9, "of", $8, "lines", $10}' "$folder/report.txt" | column -t
percent="$(awk '/^TOTAL/ {sub("%", "", $10); print int($10)}' "$folder/report.txt")"
if [ "$seconds" -ge 3600 ] && [ "$percent" -lt "$MIN_PERCENT" ]; then
    printf '%s %% of the kernel was reached, expected %s %%\n' "$percent" "$MIN_PERCENT" >&2
    status=1
fi
exit "$status"
