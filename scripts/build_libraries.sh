#!/usr/bin/env bash
# Build zlib, zstd and OpenJPEG as static libraries, for wheels that need none of the system's.
#
#   bash scripts/build_libraries.sh FOLDER
#   MEDROI_STATIC_LIBRARIES=FOLDER pip wheel .
#
# From release archives, each with its SHA-256. Needs curl, a C compiler, make and CMake.
set -euo pipefail

prefix="$(mkdir -p "$1" && cd "$1" && pwd)"
export CFLAGS="-O3 -fPIC ${CFLAGS:-}"
jobs="$(getconf _NPROCESSORS_ONLN)"

# unpack NAME ADDRESS SHA256: the source of a library, below the folder.
unpack() {
    local archive="$prefix/archives/$1.tar.gz"
    mkdir -p "$prefix/archives" "$prefix/source/$1"
    [ -e "$archive" ] || curl -fsSL --retry 3 -o "$archive" "$2"
    # macOS has no sha256sum, Debian's smallest images no shasum.
    if ! printf '%s  %s\n' "$3" "$archive" | { sha256sum -c - || shasum -a 256 -c -; } >/dev/null 2>&1; then
        printf '%s is not the archive that was expected from %s\n' "$archive" "$2" >&2
        return 1
    fi
    tar -xzf "$archive" -C "$prefix/source/$1" --strip-components=1
}

unpack zlib https://github.com/madler/zlib/releases/download/v1.3.1/zlib-1.3.1.tar.gz \
    9a93b2b7dfdac77ceba5a558a580e74667dd6fede4585b91eefb60f03b72df23
unpack zstd https://github.com/facebook/zstd/releases/download/v1.5.7/zstd-1.5.7.tar.gz \
    eb33e51f49a15e023950cd7825ca74a4a2b43db8354825ac24fc1b7ee09e6fa3
unpack openjpeg https://github.com/uclouvain/openjpeg/archive/refs/tags/v2.5.4.tar.gz \
    a695fbe19c0165f295a8531b1e4e855cd94d0875d2f88ec4b61080677e27188a

(cd "$prefix/source/zlib" && ./configure --static --prefix="$prefix" && make -j"$jobs" install)
make -C "$prefix/source/zstd/lib" -j"$jobs" PREFIX="$prefix" install-static install-includes
cmake -S "$prefix/source/openjpeg" -B "$prefix/source/openjpeg/build" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=OFF -DBUILD_CODEC=OFF
cmake --build "$prefix/source/openjpeg/build" -j "$jobs" --target install
