#!/usr/bin/env bash
# Bring every file into the style that scripts/test.sh checks.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

.venv/bin/ruff check -q --fix .
.venv/bin/ruff format -q .
git ls-files '*.c' '*.h' | xargs .venv/bin/clang-format -i
