#!/usr/bin/env bash
# Draw the pictures of the README and of docs/what-is-lost.md anew, from the scan of examples/data.
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

# Greys, the orange of what is dropped, and the colours of the legend, which an adaptive palette
# would give up for more greys.
colours = [(20 + 235 * i // 23,) * 3 for i in range(24)] + [(0, 0, 0)]
colours += [(40 + 215 * i // 15, 25 + 133 * i // 15, 6 + 32 * i // 15) for i in range(16)]
colours += [(53, 224, 111), (40, 130, 70), (255, 45, 85), (170, 30, 56), (28, 48, 69)]
colours += [(79, 195, 255), (50, 120, 160), (255, 225, 77)]
palette = Image.new("P", (1, 1))
palette.putpalette([value for colour in colours for value in colour])

path = sys.argv[1]
with Image.open(path) as opened:
    picture = opened.convert("RGB")
smaller = picture.resize((800, round(picture.height * 800 / picture.width)), Image.LANCZOS)
smaller.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
PYTHON
}

mkdir -p "$pictures"
draw box --roi box
draw mask --roi mask
draw settings --roi box --beside threshold=otsu,padding=0 --beside lossless
"$python" scripts/draw_regions.py
