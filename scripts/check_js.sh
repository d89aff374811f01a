#!/usr/bin/env bash
# Build the npm package of js/ and run its tests: goldens, stores that Python writes, types, packing, size.
#
# Needs .venv with medroi[test], and what scripts/build_js.sh needs.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
bash scripts/build_js.sh

stage "js: types and tests"
quiet js/node_modules/.bin/tsc -p js
stores="$LOG_DIR/stores"
mkdir "$stores"
.venv/bin/python js/test/make_stores.py "$stores"
cd js
MEDROI_STORES="$stores" node --test test/*.test.js >"$LOG_DIR/js" || { cat "$LOG_DIR/js"; exit 1; }
grep -E '^(#|ℹ) (tests|pass|fail)' "$LOG_DIR/js"
