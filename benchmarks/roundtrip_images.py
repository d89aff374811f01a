"""Encode and decode every image of a folder without loss, compare all bits, and write a CSV.

    python benchmarks/roundtrip_images.py FOLDER -o benchmarks/roundtrip_images.csv

Images are PNG and DICOM files, such as mammograms; all their pixels are compared, as stored.
Needs: Pillow, and pydicom where there is DICOM.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medroi import MedROI

SUFFIXES = (".png", ".dcm")
LEVELS = ("dense", "fast", "max")


def load(path: Path) -> np.ndarray:
    """Pixels as stored, rows by columns."""
    if path.suffix.lower() == ".dcm":
        import pydicom

        return np.ascontiguousarray(pydicom.dcmread(path).pixel_array)
    Image.MAX_IMAGE_PIXELS = None
    pixels = np.asarray(Image.open(path))
    return pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels


def measure(path: Path, pixels: np.ndarray, level: str) -> dict[str, Any]:
    """One row: what it takes, and whether it came back."""
    codec = MedROI.lossless({"id": "predict3d", "level": level})
    coded = codec.encode(pixels)
    decoded = np.asarray(MedROI().decode(coded)).reshape(pixels.shape)
    exact = decoded.dtype == pixels.dtype and decoded.tobytes() == pixels.tobytes()
    return {
        "file": path.name,
        "shape": "x".join(map(str, pixels.shape)),
        "dtype": str(pixels.dtype),
        "level": level,
        "array_nbytes": pixels.nbytes,
        "stored_nbytes": len(coded),
        "ratio": round(pixels.nbytes / len(coded), 3),
        "exact": exact,
    }


def main() -> int:
    """Run over the folder; 1 where a bit was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    sources = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not sources:
        parser.error(f"no images in {args.folder}")
    rows = [measure(p, pixels, level) for p in sources for pixels in [load(p)] for level in LEVELS]
    with args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    n_bad = sum(not row["exact"] for row in rows)
    print(f"{len(sources)} images, {len(LEVELS)} levels, {n_bad} not exact")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
