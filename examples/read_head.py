#!/usr/bin/env python3
"""Read a scan that `medroi pack` wrote, with zarr alone, and compare it with its source.

medroi is never imported here: zarr finds the codec by itself. The bounding box is read from the
54-byte record of the stream, as FORMAT.md describes it.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import nibabel
import numpy as np
import zarr

RECORD_OFFSET, RECORD = 10, struct.Struct("<6h3h9f")


def read_box(stream: bytes) -> tuple[slice, ...]:
    """Read the bounding box, inclusive in the record, from a stream's first bytes."""
    bounds = RECORD.unpack_from(stream, RECORD_OFFSET)[:6]
    return tuple(slice(low, high + 1) for low, high in zip(bounds[0::2], bounds[1::2], strict=True))


def folder_nbytes(folder: Path) -> int:
    """Bytes of every file in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(scan_path: Path, store_path: Path) -> int:
    """Print what was kept, what it cost and what is exact; 0 if all is as promised."""
    scan = np.asanyarray(nibabel.load(scan_path).dataobj)
    array = zarr.open(store_path, mode="r")
    read = array[:]

    # The store's one chunk is one stream.
    box = read_box((store_path / "c" / "0" / "0" / "0").read_bytes())
    outside = np.ones(scan.shape, bool)
    outside[box] = False
    exact = np.array_equal(read[box], scan[box])
    empty = bool((read[outside] == array.fill_value).all())

    # The published rule: tissue is at or above the mean of what is not background.
    threshold = scan[scan != array.fill_value].mean()
    tissue = scan >= threshold
    missed = np.count_nonzero(tissue & outside)
    stored, scan_file = folder_nbytes(store_path), scan_path.stat().st_size

    print(f"array      {scan.shape} {scan.dtype}, {scan.nbytes} bytes; {scan_file} as .nii.gz")
    print(f"kept       {read[box].size / read.size:.1%} of the voxels, the box {read[box].shape}")
    print(f"cost       {stored} bytes in all: ratio {scan.nbytes / stored:.2f}")
    print(f"tissue     {tissue.sum()} voxels, of which {missed} lie outside the box")
    print(f"in the box every voxel is exact: {'yes' if exact else 'NO'}")
    print(f"outside    every voxel is {array.fill_value}: {'yes' if empty else 'NO'}")
    return 0 if exact and empty else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
