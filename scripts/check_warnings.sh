#!/usr/bin/env bash
# Compile the kernel, the filter and the fuzzers with every compiler that is here, as they ship; a
# warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kernel_flags.sh

warnings=(-std=c11 -O3 -Wall -Wextra -Wconversion -Werror -Isrc/kernel -Ifilters)

# One call of a compiler for each file: what a compiler sees of a file depends on no other.
for compiler in gcc clang; do
    if command -v "$compiler" >/dev/null; then
        find src/kernel filters tests/fuzz -name '*.c' -print0 \
            | xargs -0 -n 1 -P "$(nproc)" "$compiler" "${warnings[@]}" "${KERNEL_MACROS[@]}" \
                -c -o /dev/null
    fi
done
