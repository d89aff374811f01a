"""Promises of the filter outside H5Dcreate: opened again, resized, shared, written in parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import needs
import numpy as np
import pytest
from make_hdf5 import PLUGINS, blob, dataset

import medroi
from medroi.hdf5 import MedROIFilter

ENVIRONMENTS = Path(__file__).parent / "environments"
sys.path.append(str(ENVIRONMENTS))

import hdf5_matrix  # noqa: E402

OPTIONS = {
    "default": {},
    "lossless": {"threshold": None},
    "mask": {"roi": "mask"},
    "numcodecs": {"inner": {"id": "numcodecs", "codec": {"id": "lz4", "acceleration": 1}}},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("fill_name", hdf5_matrix.FILLS)
@pytest.mark.parametrize("way", hdf5_matrix.WAYS, ids=lambda way: way.__name__)
def test_every_way_to_write_is_exact_for_every_fill_value(tmp_path, way, fill_name, options):
    hdf5_matrix.check(tmp_path / "a.h5", way, MedROIFilter(**OPTIONS[options]), fill_name)


@pytest.mark.parametrize(("fill_name", "background"), [("-1024", -1024), ("NaN", float("nan"))])
@pytest.mark.parametrize("way", hdf5_matrix.WAYS, ids=lambda way: way.__name__)
def test_a_background_that_is_given_is_exact_too(tmp_path, way, fill_name, background):
    hdf5_matrix.check(tmp_path / "a.h5", way, MedROIFilter(background=background), fill_name)


@needs.debian_h5py
def test_libhdf5_1_10_writes_in_every_way_too(tmp_path):
    words = [
        ",".join(map(str, MedROIFilter(**options).filter_options))
        for name, options in OPTIONS.items()
        if name != "numcodecs"
    ]
    ran = subprocess.run(
        ["/usr/bin/python3", ENVIRONMENTS / "hdf5_matrix.py", tmp_path, *words],
        env={"PATH": "/usr/bin:/bin", "HDF5_PLUGIN_PATH": str(PLUGINS)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("1.10")


# What was decided at creation.


def stored_config(path):
    """Background word and rule that a dataset keeps."""
    with h5py.File(path) as file:
        words = file["scan"]._filters["33054"]
    return words[8] | words[9] << 32, bool(words[2] >> 23 & 1), bool(words[0] >> 16 & 1)


@pytest.mark.parametrize(
    ("dtype", "fill", "bits"),
    [
        ("<i2", None, 0),
        ("<i2", -1024, 0xFC00),
        (">i2", -1024, 0xFC00),
        ("<f4", float("nan"), 0x7FC00000),
        ("<f8", -0.0, 1 << 63),
        (">u8", 2**64 - 1, 2**64 - 1),
    ],
)
def test_a_background_that_is_not_given_is_the_fill_value_for_ever(tmp_path, dtype, fill, bits):
    hdf5_matrix.create(tmp_path / "a.h5", MedROIFilter(), dtype, fill)
    assert stored_config(tmp_path / "a.h5") == (bits, True, True)


@pytest.mark.parametrize("inner", ["zstd", {"id": "numcodecs", "codec": {"id": "lz4"}}], ids=str)
def test_air_that_is_the_fill_value_costs_nothing(tmp_path, inner):
    """The stream itself has the fill value as its background, whoever coded it."""
    array = blob((24, 24, 24), background=-1024)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = dataset(file, array, array.shape, MedROIFilter(inner), fillvalue=-1024)
        file.flush()
        info = medroi.inspect(bytes(made.id.read_direct_chunk((0, 0, 0))[1]))
    assert info.background == -1024
    assert np.prod([stop - start for start, stop in info.box]) < array.size / 2


def test_a_creation_list_that_is_used_again_takes_the_new_fill_value(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        first = file.create_dataset(
            "first", shape=(8, 8), chunks=(4, 4), dtype="<i2", fillvalue=-5, **MedROIFilter()
        )
        creation = first.id.get_create_plist()
        creation.set_fill_value(np.array(9, "<i2"))
        space = h5py.h5s.create_simple((8, 8))
        h5py.h5d.create(file.id, b"scan", first.id.get_type(), space, creation)
        file["scan"][1, 1] = 100
        expected = np.full((8, 8), 9)
        expected[1, 1] = 100
        file.flush()
        assert (file["scan"][...] == expected).all()
    assert stored_config(tmp_path / "a.h5")[0] == 9


APPEND = """
import sys, h5py, medroi.hdf5
with h5py.File(sys.argv[1], "r+") as file:
    file["scan"].resize(12, axis=0)
    file["scan"][8:] = 7
"""


def test_the_first_operation_of_a_process_may_be_a_write(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset(file, np.ones((8, 8, 8), "<i2"), (4, 8, 8), MedROIFilter(), maxshape=(None, 8, 8))
    environment = {key: value for key, value in os.environ.items() if key != "HDF5_PLUGIN_PATH"}
    subprocess.run([sys.executable, "-c", APPEND, path], env=environment, check=True)
    with h5py.File(path) as file:
        assert (file["scan"][:8] == 1).all()
        assert (file["scan"][8:] == 7).all()


# Chunks that take several writes.


@pytest.mark.parametrize("options", [{}, {"roi": "mask"}], ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_chunk_that_is_written_slice_by_slice_is_that_of_one_write(
    tmp_path, head_volume, options, axis
):
    array = np.ascontiguousarray(head_volume[::3, ::3, ::3])
    order = np.random.default_rng(axis).permutation(array.shape[axis])
    with h5py.File(tmp_path / "a.h5", "w", rdcc_nbytes=0) as file:
        whole = dataset(file, array, array.shape, MedROIFilter(**options), name="whole")
        made = file.create_dataset(
            "scan",
            shape=array.shape,
            chunks=array.shape,
            dtype=array.dtype,
            **MedROIFilter(**options),
        )
        for at in order:
            slab = tuple(int(at) if number == axis else slice(None) for number in range(3))
            made[slab] = array[slab]
        file.flush()
        assert (made[...] == whole[...]).all()
