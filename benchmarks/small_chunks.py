"""What small chunks cost predict3d: bytes of chunks of 64 and 32 voxels over those of one chunk.

    python benchmarks/small_chunks.py FOLDER -o benchmarks/small_chunks.csv

FOLDER holds one folder per data set; the first --per-set NIfTI files of three axes in each are
taken, whole, every voxel kept, at each level. Bytes are those of the streams, with the headers of
every chunk; chunks of one value, which stores leave out, are left out. Every chunk is decoded and
compared. What is printed is the table of docs/limit.md: geometric means over scans. The status is 1
where a voxel did not come back.
Needs: nibabel.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medroi import MedROI

LEVELS = ("fast", "dense", "max")
EDGES = (64, 32)
# Asked of every level.
TARGETS = {64: 1.02, 32: 1.06}
COLUMNS = ("set", "scan", "shape", "dtype", "level", "one_nbytes", "nbytes_64", "nbytes_32")
COLUMNS += ("by_64", "by_32", "exact")
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def chunks_of(voxels: Array, edge: int) -> Iterator[Array]:
    """All chunks that hold more than one value, as copies in the order of the array's memory."""
    for corner in itertools.product(*(range(0, size, edge) for size in voxels.shape)):
        chunk = voxels[tuple(slice(at, at + edge) for at in corner)]
        if (chunk != chunk.flat[0]).any():
            yield np.asfortranarray(chunk)


def coded(voxels: Array, codec: MedROI) -> tuple[int, bool]:
    """Bytes of a stream, and whether the voxels come back."""
    stream = codec.encode(voxels)
    back = np.asarray(codec.decode(stream))
    return len(stream), back.tobytes("F") == voxels.tobytes("F")


def rows_of(path: Path) -> Iterator[Row]:
    """One row for each level."""
    image: Any = nibabel.load(path)
    voxels = np.asfortranarray(image.dataobj.get_unscaled())
    voxels = voxels.astype(voxels.dtype.newbyteorder("="))
    for level in LEVELS:
        codec = MedROI.lossless({"id": "predict3d", "level": level})
        row: Row = {"set": path.parent.name, "scan": path.name, "level": level}
        row |= {"shape": "x".join(map(str, voxels.shape)), "dtype": str(voxels.dtype)}
        row["one_nbytes"], row["exact"] = coded(voxels, codec)
        for edge in EDGES:
            found = [coded(chunk, codec) for chunk in chunks_of(voxels, edge)]
            row[f"nbytes_{edge}"] = sum(nbytes for nbytes, _ in found)
            row["exact"] &= all(exact for _, exact in found)
            row[f"by_{edge}"] = f"{row[f'nbytes_{edge}'] / row['one_nbytes']:.4f}"
        yield row


def mean_of(rows: list[Row], column: str) -> float:
    """Geometric."""
    return math.exp(sum(math.log(float(row[column])) for row in rows) / len(rows))


def table(rows: list[Row]) -> str:
    """The table of docs/limit.md."""
    titles = [f"{level} {edge}³" for level in LEVELS for edge in EDGES]
    lines = ["| set | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for data_set in dict.fromkeys(row["set"] for row in rows):
        cells = [
            mean_of([r for r in rows if (r["set"], r["level"]) == (data_set, level)], f"by_{edge}")
            for level in LEVELS
            for edge in EDGES
        ]
        shown = " | ".join(f"{100 * (cell - 1):+.1f} %" for cell in cells)
        lines.append(f"| {data_set} | {shown} |")
    return "\n".join(lines)


def main() -> int:
    """Measure the scans; 1 where a voxel did not come back."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-set", type=int, default=1)
    parser.add_argument("-o", dest="output", type=Path, default=Path(__file__).with_suffix(".csv"))
    args = parser.parse_args()
    rows: list[Row] = []
    for data_set in sorted(path for path in args.folder.iterdir() if path.is_dir()):
        named = [path for path in sorted(data_set.glob("*.nii*")) if "label" not in path.name]
        solid = [path for path in named if len(nibabel.load(path).shape) == 3]
        rows += [row for path in solid[: args.per_set] for row in rows_of(path)]
    with args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows))
    for row in rows:
        for edge, target in TARGETS.items():
            if float(row[f"by_{edge}"]) > target:
                print(row["scan"], row["level"], edge, row[f"by_{edge}"], file=sys.stderr)
    return 0 if all(row["exact"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
