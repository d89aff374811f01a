#!/usr/bin/env python3
"""What check_windows_plugin.sh asks Python: `windows_plugin.py words`, or `compare FILE`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import h5py

import medroi.hdf5

FILTER = medroi.hdf5.MedROIFilter("predict3d", threshold=None)


def compare(file: str) -> None:
    """Compare the chunk of a file with the one that this machine writes of the same voxels."""
    with tempfile.TemporaryDirectory() as folder, h5py.File(file) as theirs:
        voxels = theirs["head"][...]
        with h5py.File(Path(folder, "head.h5"), "w") as ours:
            made = ours.create_dataset("head", data=voxels, chunks=voxels.shape, **FILTER)
            found = [data.id.read_direct_chunk((0, 0, 0)) for data in (theirs["head"], made)]
    if found[0] != found[1] or voxels.max() < 900:
        raise SystemExit(f"{file}: the chunk differs from the one that is written here")


if __name__ == "__main__":
    if sys.argv[1] == "words":
        print(FILTER.filter_id, *FILTER.filter_options)
    else:
        compare(sys.argv[2])
