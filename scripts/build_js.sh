#!/usr/bin/env bash
# Build the npm package of js/, and from it what the page of `medroi view` decodes with.
#
# Needs .venv with pip and setuptools, and node 18 or later with npm. Fetches zig and the source of Zstandard from PyPI into build/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source scripts/from_pypi.sh

if ! command -v npm >/dev/null && may_install; then
    install_packages nodejs npm
fi
get_zig
get_zstd

stage "js: packages, the kernel to WebAssembly, and the page's decoder"
quiet npm install --prefix js --no-package-lock --no-audit --no-fund
quiet env ZIG="$ZIG" ZSTD="$ZSTD" bash js/build.sh
quiet bash js/build_page.sh
