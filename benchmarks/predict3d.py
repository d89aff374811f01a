"""Bytes and times of predict3d at each of its levels, on every scan of a folder, losslessly.

    python benchmarks/predict3d.py FOLDER --slices 48 -o benchmarks/predict3d.csv

Every NIfTI file below FOLDER, or so many slices from its middle, is encoded with every voxel kept,
decoded and compared bit by bit; one thread. MB/s are of 16-bit voxels, whatever their type is, and
processor time of the process. `of_dense` is the bytes over those at level="dense".
Needs: nibabel.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import add_columns, describe
from scan_sets import native_voxels
from tables import mean, write

from medroi import MedROI

LEVELS = ("dense", "fast", "max")
COLUMNS = ("set", "scan", "shape", "dtype", "level", "nbytes", "of_dense", "encode_MBps")
COLUMNS += ("decode_MBps", "exact")


def rows_of(path: Path, n_slices: int) -> Iterator[dict[str, Any]]:
    """One row for each level."""
    voxels = native_voxels(path)
    first = max(0, (voxels.shape[2] - n_slices) // 2)
    voxels = np.asfortranarray(voxels[:, :, first : first + n_slices])
    megabytes, dense = 2e-6 * voxels.size, 0
    for level in LEVELS:
        codec = MedROI.lossless({"id": "predict3d", "level": level})
        times = [time.process_time()]
        stream = codec.encode(voxels)
        times.append(time.process_time())
        decoded = codec.decode(stream)
        times.append(time.process_time())
        dense = dense or len(stream)
        yield {
            "set": path.parent.name,
            "scan": path.name,
            "shape": "x".join(map(str, voxels.shape)),
            "dtype": str(voxels.dtype),
            "level": level,
            "nbytes": len(stream),
            "of_dense": f"{len(stream) / dense:.4f}",
            "encode_MBps": f"{megabytes / (times[1] - times[0]):.1f}",
            "decode_MBps": f"{megabytes / (times[2] - times[1]):.1f}",
            "exact": decoded.tobytes("A") == voxels.tobytes("A"),
        }


def main() -> int:
    """Write all rows; print the geometric means of each set. 1 where a voxel did not come back."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", dest="output", type=Path, required=True)
    parser.add_argument("--slices", type=int, default=1 << 30, help="at most this many of a scan")
    args = parser.parse_args()
    paths = sorted(args.folder.rglob("*.nii*"))
    rows = [row for path in paths for row in rows_of(path, args.slices)]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "predict3d.csv")
        write(rows, table, COLUMNS)
        add_columns(table, args.output, describe(["nibabel"]))
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        shares[row["set"], row["level"]].append(float(row["of_dense"]))
    for (data_set, level), found in shares.items():
        print(f"{data_set:12} {level:6} {mean(found):.4f} of dense")
    return 0 if all(row["exact"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
