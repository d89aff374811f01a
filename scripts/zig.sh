# Sourced after setup.sh: the C compiler zig, which cross-compiles, from PyPI.

ZIG_VERSION=0.17.1

# Set ZIG to the command, after fetching it into build/zig unless it is there.
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
