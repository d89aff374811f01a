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

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scan_sets import arguments_of, native_voxels, scans_of
from tables import markdown, mean, write

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
    voxels = native_voxels(path)
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


def table(rows: list[Row]) -> str:
    """The table of docs/limit.md."""
    columns = list(itertools.product(LEVELS, EDGES))
    lines = []
    for data_set in dict.fromkeys(row["set"] for row in rows):
        cells = [
            mean(
                float(row[f"by_{edge}"])
                for row in rows
                if (row["set"], row["level"]) == (data_set, level)
            )
            for level, edge in columns
        ]
        lines.append([data_set, *(f"{100 * (cell - 1):+.1f} %" for cell in cells)])
    return markdown(["set", *(f"{level} {edge}³" for level, edge in columns)], lines)


def is_volume(path: Path) -> bool:
    """Whether a file is a scan of three axes; label maps are measured by label_maps.py."""
    return "label" not in path.name and len(nibabel.load(path).shape) == 3


def main() -> int:
    """Measure the scans; 1 where a voxel did not come back."""
    args = arguments_of(__doc__, __file__, per_set=1).parse_args()
    paths = scans_of(args.folder, args.per_set, "*.nii*", is_volume)
    rows = [row for path in paths for row in rows_of(path)]
    write(rows, args.output, COLUMNS)
    print(table(rows))
    for row in rows:
        for edge, target in TARGETS.items():
            if float(row[f"by_{edge}"]) > target:
                print(row["scan"], row["level"], edge, row[f"by_{edge}"], file=sys.stderr)
    return 0 if all(row["exact"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
