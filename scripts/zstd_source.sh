# Sourced after setup.sh: Zstandard in one file of C, which the source distribution of `zstandard` on PyPI holds.

ZSTANDARD_VERSION=0.25.0
ZSTANDARD_SHA256=7713e1179d162cf5c7906da876ec2ccb9c3a9dcbdffef0cc7f70c3667a205f0b

# Set ZSTD to its folder, after fetching it into build/ unless it is there.
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
