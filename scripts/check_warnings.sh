#!/usr/bin/env bash
# Compile the kernel and the fuzzer with every compiler that is here; a warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kernel_flags.sh

warnings=(-std=c11 -O2 -Wall -Wextra -Wconversion -Werror -Isrc/kernel -Ifilters)

for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    for source in $(find src/kernel filters tests/fuzz -name '*.c'); do
        "$compiler" "${warnings[@]}" "${KERNEL_MACROS[@]}" -c "$source" -o /dev/null
    done
done
