#!/usr/bin/env bash
# Compile the kernel to WebAssembly, with and without SIMD, into src/wasm_*.js.
#
# ZIG (python -m ziglang) is the compiler; `pip install ziglang` brings it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

zig="${ZIG:-python3 -m ziglang}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# OpenJPEG's place is taken by a library of JavaScript; nothing of an encoder is wanted.
mapfile -t sources < <(find ../src/kernel -name '*.c' \
    ! -path '*/jpeg2000/openjpeg.c' ! -path '*/jpeg2000/search.c' | LC_ALL=C sort)

# compile NAME ARGUMENT...: src/wasm_NAME.js, a module whose default export is the binary, gzip in base64.
compile() {
    local name="$1"
    shift
    $zig cc --target=wasm32-wasi -mexec-model=reactor -O3 -flto -std=c11 -ffp-contract=off -g0 "$@" \
        -DNDEBUG -DMEDROI_DECODE_ONLY -DMEDROI_HAVE_OPENJPEG -I../src/kernel \
        "${sources[@]}" wasm/medroi_js.c -o "$work/$name.wasm" \
        -Wl,--export=malloc,--export=free,--strip-all,--gc-sections,--max-memory=4294901760
    printf '// Made by build.sh from the kernel.\nexport default "%s";\n' \
        "$(gzip -9n <"$work/$name.wasm" | base64 -w 0)" >"src/wasm_$name.js"
}

compile simd -msimd128
compile plain
