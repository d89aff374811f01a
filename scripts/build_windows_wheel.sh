#!/usr/bin/env bash
# Build the wheel for Windows on x86-64, with the HDF5 plugin as DLL, on Linux: zig compiles and links it.
#
#   bash scripts/build_windows_wheel.sh [FOLDER]        the wheel goes into FOLDER, by default dist
#
# With MEDROI_STATIC_LIBRARIES it has zlib, zstd and OpenJPEG, which CC, AR and CMAKE_ARGS below make build_libraries.sh
# build for Windows (`build_windows_wheel.sh --libraries PREFIX`); without, their codecs run through Python's. Then it
# checks what the files ask of Windows and of Python: system libraries, and the stable ABI alone.
# Needs .venv with medroi[dev].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source scripts/from_pypi.sh
get_zig
TARGET=x86_64-windows-gnu
folder="$PWD/build/windows-wheel"
mkdir -p "$folder/tools"
# Build systems take a program for each tool, not a command with words.
for tool in "cc:cc -target $TARGET" ar:ar ranlib:ranlib dlltool:dlltool; do
    printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$ZIG" "${tool#*:}" > "$folder/tools/${tool%%:*}"
    chmod +x "$folder/tools/${tool%%:*}"
done
export CC="$folder/tools/cc" AR="$folder/tools/ar" RANLIB="$folder/tools/ranlib"

if [ "${1:-}" = --libraries ]; then
    export CMAKE_ARGS="-DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=$CC -DCMAKE_AR=$AR -DCMAKE_RANLIB=$RANLIB"
    exec bash scripts/build_libraries.sh "${2:?usage: build_windows_wheel.sh --libraries PREFIX}"
fi

wheels="$(realpath -m "${1:-dist}")"
stage "wheel for Windows"
rm -rf "$folder/include" "$folder/base" "$folder/wheel"
cp -rL "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["include"])')" "$folder/include"
cp scripts/windows/pyconfig.h "$folder/include/pyconfig.h"
export LDSHARED="$CC -shared" DLLTOOL="$folder/tools/dlltool" MEDROI_TARGET=windows
quiet .venv/bin/python setup.py -q build --build-base "$folder/base" \
    bdist_wheel --plat-name win_amd64 --dist-dir "$folder/wheel"
wheel="$(ls "$folder"/wheel/*-cp311-abi3-win_amd64.whl)"
.venv/bin/python scripts/check_windows_wheel.py "$wheel"
mkdir -p "$wheels"
cp "$wheel" "$wheels/"
printf '%s\n' "$wheels/$(basename "$wheel")"
