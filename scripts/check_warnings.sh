#!/usr/bin/env bash
# Compile the kernel, the filter and the fuzzers with every compiler that is here; a warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/kernel_flags.sh

# check COMPILER ARGUMENT...: one call of the compiler for each file, on all cores.
check() {
    command -v "$1" >/dev/null || return 0
    find src/kernel filters tests/fuzz -name '*.c' -print0 \
        | xargs -0 -n 1 -P "$(nproc)" "$@" -std=c11 -Wall -Wextra -Wconversion -Werror \
            -Isrc/kernel -Ifilters "${KERNEL_MACROS[@]}"
}

# gcc finds some of what it warns of while it optimises: at the level that ships.
check gcc -O3 -c -o /dev/null
check clang -fsyntax-only
