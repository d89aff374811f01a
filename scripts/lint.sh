#!/usr/bin/env bash
# Every check that runs no test: style, types, imports, compiler warnings. Needs .venv with medroi[dev].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

stage "style: ruff, mypy, clang-format"
quiet .venv/bin/ruff check .
quiet .venv/bin/ruff format --check .
quiet .venv/bin/mypy
git ls-files -z '*.c' '*.h' >"$LOG_DIR/c-files"
quiet xargs -0 -a "$LOG_DIR/c-files" .venv/bin/clang-format --dry-run -Werror

stage "kernel: no compiler warnings"
bash scripts/check_warnings.sh

stage "layers: who may import and call whom"
quiet .venv/bin/python scripts/check_imports.py
quiet .venv/bin/python scripts/check_calls.py
