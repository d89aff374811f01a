#!/usr/bin/env bash
# Compile the kernel to WebAssembly, with and without SIMD, into src/wasm_*.js.
#
# ZIG (python -m ziglang) is the compiler; `pip install ziglang` brings it. ZSTD is a folder with zstd.c and
# zstd.h, Zstandard in one file, as the source distribution of `zstandard` on PyPI has it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

zig="${ZIG:-python3 -m ziglang}"
zstd="${ZSTD:?names a folder with zstd.c, zstd.h and its LICENSE}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
target=(--target=wasm32-wasi -g0 -DNDEBUG)

# OpenJPEG's place is taken by a library of JavaScript; nothing of an encoder is wanted.
# Decoders of predict3d's level max and label maps and wavelet3d's speed small are slow anywhere: compiled for size.
mapfile -t sources < <(find ../src/kernel -name '*.c' \
    ! -path '*/jpeg2000/openjpeg.c' ! -path '*/jpeg2000/search.c' | LC_ALL=C sort)
small='/predict3d/(labels|local|stacked)|/wavelet3d/(mixed|planes)'

cp "$zstd/LICENSE" LICENSE.zstd

# compile NAME ARGUMENT...: src/wasm_NAME.js, a module whose default export is the binary, gzip in base64.
compile() {
    local name="$1"
    shift
    $zig cc "${target[@]}" -O3 "$@" -w -DZSTD_LEGACY_SUPPORT=0 -isystem "$zstd" -c wasm/zstd.c -o "$work/zstd.o"
    local kernel=("${target[@]}" -flto -std=c11 -ffp-contract=off "$@" -DMEDROI_DECODE_ONLY -DMEDROI_HAVE_OPENJPEG
        -DMEDROI_HAVE_ZSTD -Dsnprintf=medroi_js_snprintf -Dvsnprintf=medroi_js_vsnprintf -I../src/kernel -isystem "$zstd")
    local source objects=() others=()
    for source in "${sources[@]}"; do
        if [[ "$source" =~ $small ]]; then
            objects+=("$work/$(basename "$source").$name.o")
            $zig cc "${kernel[@]}" -Os -c "$source" -o "${objects[-1]}"
        else
            others+=("$source")
        fi
    done
    $zig cc "${kernel[@]}" -mexec-model=reactor -O3 "${others[@]}" "${objects[@]}" wasm/medroi_js.c wasm/print.c \
        "$work/zstd.o" -o "$work/$name.wasm" \
        -Wl,--export=malloc,--export=free,--strip-all,--gc-sections,--max-memory=4294901760
    printf '// Made by build.sh from the kernel.\nexport default "%s";\n' \
        "$(gzip -9n <"$work/$name.wasm" | base64 -w 0)" >"src/wasm_$name.js"
}

compile simd -msimd128
compile plain
