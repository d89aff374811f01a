"""What every h5py does with the filter, for the environments with one version of it each."""

from __future__ import annotations

import subprocess
import sys

import h5py
import hdf5_matrix
import lying_file
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


@pytest.mark.parametrize("options", [{}, {"threshold": None}, {"roi": "mask"}], ids=str)
@pytest.mark.parametrize("fill_name", hdf5_matrix.FILLS)
@pytest.mark.parametrize("way", hdf5_matrix.WAYS, ids=lambda way: way.__name__)
def test_every_way_to_write_is_exact_for_every_fill_value(tmp_path, way, fill_name, options):
    hdf5_matrix.check(tmp_path / "a.h5", way, MedROIFilter(**options), fill_name)


APPEND = """
import sys, {}
with h5py.File(sys.argv[1], "r+") as file:
    file["scan"][8:] = 7
"""


@pytest.mark.parametrize("imports", ["medroi, h5py", "h5py, medroi"])
def test_the_first_operation_of_a_process_may_be_a_write(tmp_path, imports):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("scan", data=blob(), chunks=CHUNKS, **MedROIFilter())
    argv = [sys.executable, "-c", APPEND.format(imports), str(tmp_path / "a.h5")]
    subprocess.run(argv, check=True)
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["scan"][:8] == blob()[:8]).all()
        assert (file["scan"][8:] == 7).all()


READ = """
import sys, h5py, medroi
try:
    with h5py.File(sys.argv[1]) as file:
        print("read", file["scan"][...].sum())
except OSError as error:
    print("refused", error)
"""


@pytest.mark.parametrize("words", [lying_file.words_of("i", 2, 2, 3, 4), (1,), ()], ids=str)
@pytest.mark.parametrize("is_virtual", [False, True])
def test_a_file_that_lies_is_refused(tmp_path, words, is_virtual):
    stream = medroi.MedROI.lossless("raw").encode(np.arange(1, 25, dtype="<i2").reshape(2, 3, 4))
    path = tmp_path / "a.h5"
    lying_file.make(path, stream, words)
    if is_virtual:
        layout = h5py.VirtualLayout((64, 64, 64), "<i2")
        layout[...] = h5py.VirtualSource("a.h5", "scan", (64, 64, 64))
        path = tmp_path / "virtual.h5"
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("scan", layout)
    ran = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.split()[0]) == (0, "refused")


def test_a_virtual_dataset_gives_its_sources(tmp_path):
    for name in ("a", "b"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("scan", data=blob(), chunks=CHUNKS, **MedROIFilter())
    layout = h5py.VirtualLayout((2, *SHAPE), "<i2")
    for index, name in enumerate("ab"):
        layout[index] = h5py.VirtualSource(f"{name}.h5", "scan", SHAPE)
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("scan", layout)
    with h5py.File(tmp_path / "virtual.h5") as file:
        assert (file["scan"][...] == blob()).all()
