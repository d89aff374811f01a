"""Promises of medroi.hdf5 for damaged files: an error of ours that names the file, or the array."""

from __future__ import annotations

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from make_hdf5 import blob, dataset

import medroi.hdf5
from medroi import errors
from medroi.hdf5 import MedROIFilter

SHAPE, CHUNKS = (12, 20, 18), (5, 20, 7)

# A damaged file may end a process inside HDF5 itself: nothing here shares one with other tests.
READ = """
import sys
from pathlib import Path
import h5py, numpy as np, medroi.hdf5
from medroi.errors import MedROIError

source, seed = Path(sys.argv[1]), int(sys.argv[2])
content, rng = source.read_bytes(), np.random.default_rng(seed)
first = content.index(b"MROI")
counts = {"opened": 0, "array": 0, "refused": 0}
for number in range(150):
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 3))):
        at = int(rng.integers(0, len(damaged) if number % 3 else first))
        damaged[at] ^= 1 << int(rng.integers(8))
    path = source.with_name(f"{seed}-{number}.h5")
    path.write_bytes(damaged)
    try:
        opened = h5py.File(path, "r+" if number % 2 else "r")
        made = opened["scan"]
    except Exception:  # what h5py itself says of a damaged file
        continue
    counts["opened"] += 1
    for run in (
        lambda: medroi.hdf5.read(made),
        lambda: medroi.hdf5.read(made, np.s_[3:9:2, 4]),
        lambda: medroi.hdf5.write(made, np.zeros((12, 20, 18), "<i2")) if number % 2 else None,
    ):
        try:
            run()
            counts["array"] += 1
        except MedROIError as error:
            assert str(error)
            counts["refused"] += 1
    try:
        opened.close()
    except Exception:
        pass
print(counts["opened"], counts["array"], counts["refused"])
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_flipped_bit_is_never_another_kind_of_error(tmp_path, seed, libver):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        dataset(file, blob(SHAPE), CHUNKS, MedROIFilter(), maxshape=(None, 20, 18))
    ran = subprocess.run(
        [sys.executable, "-c", READ, tmp_path / "a.h5", str(seed)], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    opened, arrays, refused = map(int, ran.stdout.split())
    assert opened > 20 and arrays > 20 and refused > 5


def test_a_file_that_was_cut_is_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
        file.flush()
        at = file["scan"].id.get_chunk_info(0).byte_offset
    file = h5py.File(path)
    made = file["scan"]
    os.truncate(path, at)
    with pytest.raises(errors.CorruptStream, match=r"a\.h5"):
        medroi.hdf5.read(made)
    with pytest.raises(errors.CorruptStream, match=r"a\.h5"):
        medroi.hdf5.read(made, np.s_[2])


def test_a_closed_file_is_said(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
    for run in (medroi.hdf5.read, lambda made: medroi.hdf5.write(made, blob(SHAPE))):
        with pytest.raises(errors.InvalidArgument, match="a file that is open"):
            run(made)


def test_an_error_names_file_dataset_and_chunk(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, blob(SHAPE), CHUNKS, MedROIFilter())
        made.id.write_direct_chunk((5, 0, 7), b"no stream")
        for selection in ((), np.s_[6]):
            with pytest.raises(errors.CorruptStream, match=r"a\.h5: /scan: chunk at \(5, 0, 7\): "):
                medroi.hdf5.read(made, selection)
