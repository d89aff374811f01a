"""What every h5py does with the filter, for the environments with one version of it each."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import medroi
import medroi.hdf5
from medroi.hdf5 import MedROIFilter

SHAPE, CHUNKS = (12, 20, 18), (5, 20, 7)


def blob() -> np.ndarray:
    array = np.zeros(SHAPE, np.int16)
    array[3:9, 4:15, 3:14] = np.random.default_rng(3).integers(60, 90, (6, 11, 11))
    return array


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", rdcc_nbytes=0) as opened:
        yield opened


@pytest.mark.parametrize("inner", ["zstd", "deflate", "raw"])
def test_the_bytes_are_those_of_numcodecs(file, inner) -> None:
    options, array = MedROIFilter(inner), blob()
    made = file.create_dataset("scan", data=array, chunks=SHAPE, **options)
    codec = medroi.MedROI.from_config(options.get_config())
    assert made.id.read_direct_chunk((0, 0, 0)) == (0, codec.encode(array))
    assert (made[...] == array).all()


def test_threads_read_and_write(file) -> None:
    options = MedROIFilter.lossless()
    made = file.create_dataset("scan", shape=SHAPE, dtype="<i2", chunks=CHUNKS, compression=options)
    medroi.hdf5.write(made, blob(), threads=2)
    assert (made[...] == blob()).all()
    assert (medroi.hdf5.read(made, np.s_[1:9:2, 3], threads=2) == blob()[1:9:2, 3]).all()


def test_refusals_are_said(file) -> None:
    with pytest.raises((OSError, ValueError), match="is in front of medroi"):
        file.create_dataset("scan", data=blob(), chunks=CHUNKS, shuffle=True, **MedROIFilter())
    made = file.create_dataset("scan", data=blob(), chunks=CHUNKS, **MedROIFilter())
    made.id.write_direct_chunk((0, 0, 0), b"no stream")
    with pytest.raises(OSError, match="medroi: corrupt stream"):
        made[...]
