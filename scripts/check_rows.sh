#!/usr/bin/env bash
# Compare the row kernels in vectors with the portable ones on random rows: AVX2 or NEON on this
# machine, and NEON in an emulator where there are a cross compiler and qemu-user-static.
#
#   bash scripts/check_rows.sh [ROUNDS=20000] [SEED=1]
#
# ROWS names another file to compare than the kernel's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds="${1:-20000}"
seed="${2:-1}"
rows="${ROWS:-src/kernel/grid/rows_kernels.c}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# compare "COMPILER ARGUMENT..." [EMULATOR]
compare() {
    local flags=(-std=c11 -O3 -ffp-contract=off -Wall -Wextra -Wconversion -Werror -Isrc/kernel)
    $1 "${flags[@]}" -DMEDROI_PORTABLE_ROWS -Dmedroi_row_ops_for=portable_row_ops_for \
        -c src/kernel/grid/rows_kernels.c -o "$folder/portable.o"
    $1 "${flags[@]}" tests/compare_rows.c src/kernel/grid/rows.c "$rows" \
        src/kernel/base/elements.c "$folder/portable.o" -o "$folder/compare" -lm
    ${2:-} "$folder/compare" "$seed" "$rounds"
}

compare "${CC:-cc}"
if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64-static >/dev/null; then
    compare "aarch64-linux-gnu-gcc -static" qemu-aarch64-static
else
    echo "NEON not compared: it needs aarch64-linux-gnu-gcc and qemu-aarch64-static"
fi
