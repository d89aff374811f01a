#!/usr/bin/env bash
# Check in headless Chromium: the goldens, stores read through zarrita by range requests, and the pixels of
# `medroi view`, which the page decodes, with what its first picture takes of a store. Screenshots go to build/browser.
#
# It stands beside scripts/test.sh, whose time a browser of 110 MB would take. Needs what scripts/check_js.sh
# leaves: .venv and js/node_modules.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

if ! command -v chromium >/dev/null && may_install; then
    install_packages chromium
fi
mkdir -p build/browser
bash js/build_page.sh
js/node_modules/.bin/esbuild js/test/browser.js --bundle --format=esm --minify --log-level=error --external:fs --external:path \
    --outfile=build/browser/browser.js
.venv/bin/python scripts/check_browser.py "${CHROMIUM:-chromium}" build/browser
