# Sourced after setup.sh: what other targets are built with, fetched from PyPI into build/ unless it is there: the C compiler
# zig, which cross-compiles, and Zstandard in one file of C, which the source distribution of `zstandard` holds.

ZIG_VERSION=0.17.1
ZSTANDARD_VERSION=0.25.0
ZSTANDARD_SHA256=7713e1179d162cf5c7906da876ec2ccb9c3a9dcbdffef0cc7f70c3667a205f0b

# Set ZIG to the command.
get_zig() {
    local folder="$PWD/build/zig-$ZIG_VERSION"
    if [ -z "${ZIG:-}" ]; then
        ZIG="$folder/ziglang/zig"
        if ! [ -x "$ZIG" ]; then
            stage "zig $ZIG_VERSION from PyPI"
            quiet .venv/bin/pip install -q --no-deps --target "$folder" "ziglang==$ZIG_VERSION"
        fi
    fi
    # What it compiles of its own C library is kept for the next time.
    export ZIG_GLOBAL_CACHE_DIR="${ZIG_GLOBAL_CACHE_DIR:-$PWD/build/zig-cache}"
}

# Set ZSTD to the folder of zstd.c and zstd.h.
get_zstd() {
    local name="zstandard-$ZSTANDARD_VERSION"
    if [ -z "${ZSTD:-}" ]; then
        ZSTD="$PWD/build/$name/zstd"
        if ! [ -f "$ZSTD/zstd.c" ]; then
            stage "source of $name from PyPI"
            quiet .venv/bin/pip download -q --no-deps --no-build-isolation --no-binary zstandard -d build \
                "zstandard==$ZSTANDARD_VERSION"
            printf '%s  %s\n' "$ZSTANDARD_SHA256" "build/$name.tar.gz" | sha256sum --check --status
            tar -xzf "build/$name.tar.gz" -C build
        fi
    fi
}
