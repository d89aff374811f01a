#!/usr/bin/env bash
# Build static zlib, zstd and OpenJPEG from their release archives, for wheels: `before-all` of cibuildwheel.
#
#   bash scripts/build_libraries.sh PREFIX
#
# Needs curl, make, cmake and a C compiler. An archive with another SHA-256 than the one below is not unpacked.
set -euo pipefail

prefix="${1:?usage: build_libraries.sh PREFIX}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export CFLAGS="-O3 -fPIC ${CFLAGS:-}"
jobs="$(getconf _NPROCESSORS_ONLN)"

ZLIB=1.3.1
ZLIB_SHA256=9a93b2b7dfdac77ceba5a558a580e74667dd6fede4585b91eefb60f03b72df23
ZSTD=1.5.7
ZSTD_SHA256=eb33e51f49a15e023950cd7825ca74a4a2b43db8354825ac24fc1b7ee09e6fa3
OPENJPEG=2.5.3
OPENJPEG_SHA256=368fe0468228e767433c9ebdea82ad9d801a3ad1e4234421f352c8b06e7aa707

sha256_of() {
    if command -v sha256sum >/dev/null; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

# Fetch the archive at $2, check that its SHA-256 is $3, and unpack it into the folder $1.
unpack() {
    local folder="$work/$1" archive="$work/$1.tar.gz" found
    curl --fail --silent --show-error --location --retry 3 --output "$archive" "$2"
    found="$(sha256_of "$archive")"
    if [ "$found" != "$3" ]; then
        printf '%s: SHA-256 is %s, expected %s: nothing of it is used\n' "$2" "$found" "$3" >&2
        return 1
    fi
    mkdir "$folder"
    tar -xzf "$archive" -C "$folder" --strip-components=1
}

unpack zlib "https://github.com/madler/zlib/releases/download/v$ZLIB/zlib-$ZLIB.tar.gz" "$ZLIB_SHA256"
(cd "$work/zlib" && ./configure --static --prefix="$prefix" && make -j"$jobs" install)

unpack zstd "https://github.com/facebook/zstd/releases/download/v$ZSTD/zstd-$ZSTD.tar.gz" "$ZSTD_SHA256"
make -C "$work/zstd/lib" -j"$jobs" libzstd.a
make -C "$work/zstd/lib" PREFIX="$prefix" install-static install-includes

unpack openjpeg "https://github.com/uclouvain/openjpeg/archive/v$OPENJPEG.tar.gz" "$OPENJPEG_SHA256"
cmake -S "$work/openjpeg" -B "$work/openjpeg/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DBUILD_SHARED_LIBS=OFF -DBUILD_CODEC=OFF -DBUILD_PKGCONFIG_FILES=OFF ${CMAKE_ARGS:-}
cmake --build "$work/openjpeg/build" --parallel "$jobs" --target install
# Its headers lie in a folder that has the version in its name.
cp "$prefix"/include/openjpeg-*/*.h "$prefix/include/"
