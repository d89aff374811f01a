#!/usr/bin/env bash
# Draw the pictures of docs/what-is-lost.md anew, from the scan of examples/data.
#
# Needs medroi[show]. PYTHON (.venv/bin/python) names another Python that has it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python="${PYTHON:-.venv/bin/python}"
scan=examples/data/head_T1w.nii.gz
pictures=docs/pictures

draw() {
    local name="$1"
    shift
    "$python" -m medroi show "$scan" -o "$pictures/$name.png" "$@"
    # Noise does not compress: fewer pixels and colours keep the repository small.
    "$python" - "$pictures/$name.png" <<'PYTHON'
import sys
from PIL import Image

path = sys.argv[1]
with Image.open(path) as opened:
    picture = opened.convert("RGB")
smaller = picture.resize((800, round(picture.height * 800 / picture.width)), Image.LANCZOS)
smaller.quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)
PYTHON
}

mkdir -p "$pictures"
draw box
draw chunks --chunks 64
draw settings --beside threshold=otsu,padding=0 --beside lossless
