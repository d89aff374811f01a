#!/usr/bin/env bash
# Build the npm package of js/ and run its tests: goldens, stores that Python writes, types, packing, size.
#
# Needs .venv with medroi[test], node 18 or later with npm, and zig, which this fetches from PyPI into build/.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
source scripts/zig.sh

if ! command -v npm >/dev/null && may_install; then
    install_packages nodejs npm
fi
get_zig

stage "js: packages, and the kernel to WebAssembly"
quiet npm install --prefix js --no-package-lock --no-audit --no-fund
quiet env ZIG="$ZIG" bash js/build.sh
quiet bash js/build_page.sh

stage "js: types and tests"
quiet js/node_modules/.bin/tsc -p js
stores="$LOG_DIR/stores"
mkdir "$stores"
.venv/bin/python js/test/make_stores.py "$stores"
cd js
MEDROI_STORES="$stores" node --test test/*.test.js >"$LOG_DIR/js" || { cat "$LOG_DIR/js"; exit 1; }
grep -E '^(#|ℹ) (tests|pass|fail)' "$LOG_DIR/js"
