#!/usr/bin/env bash
# Run the lines of docs/languages.md in R and Octave, and compare what they print with what Python reads.
#
# It stands beside scripts/test.sh: both languages are large. Needs .venv with medroi[test].
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

missing=""
Rscript -e 'library(hdf5r)' >/dev/null 2>&1 || missing+=" r-cran-hdf5r"
command -v octave-cli >/dev/null || missing+=" octave"
if [ -n "$missing" ] && may_install; then
    # shellcheck disable=SC2086 # a word each
    install_packages $missing
fi
.venv/bin/python scripts/check_languages.py
