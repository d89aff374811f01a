#!/usr/bin/env bash
# Install libmedroi into build/ and run the tests of the Rust crate on it. It stands beside scripts/test.sh, which does not
# install Rust. Needs cmake and cargo.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

prefix="$PWD/build/libmedroi-prefix"
stage "libmedroi, into build/"
quiet cmake -S src/kernel -B build/libmedroi -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib
quiet cmake --build build/libmedroi -j "$(nproc)"
quiet cmake --install build/libmedroi

stage "rust: style and tests"
cd rust/medroi-sys
export CARGO_TARGET_DIR="$OLDPWD/build/rust" PKG_CONFIG_PATH="$prefix/lib/pkgconfig" LD_LIBRARY_PATH="$prefix/lib"
if cargo fmt --version >/dev/null 2>&1; then
    quiet cargo fmt --check
fi
cargo test -q --offline
