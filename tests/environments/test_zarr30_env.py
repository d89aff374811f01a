"""zarr 3.0: formats 2 and 3, sharded too."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from medroi import MedROI, errors
from medroi.zarr import MedROICodec

SHAPE, CHUNKS = (40, 36, 34), (16, 16, 16)
DTYPES = ("|b1", "|u1", "<u2", "<i2", "<i4", "<u8", "<f2", "<f4", "<f8", "<c16")


def make_volume(dtype: str = "<i2", order: str = "C") -> np.ndarray:
    rng = np.random.default_rng(3)
    volume = np.zeros(SHAPE)
    volume[5:30, 6:30, 7:31] = rng.integers(50, 120, (25, 24, 24))
    return np.asarray(volume, dtype, order=order)


def create(volume: np.ndarray, store: Any = None, **options: Any) -> zarr.Array:
    made = zarr.create_array(
        {} if store is None else store,
        shape=volume.shape,
        dtype=volume.dtype,
        chunks=CHUNKS,
        **options,
    )
    made[...] = volume
    return made


def create3(volume: np.ndarray, codec: MedROICodec | None = None, **options: Any) -> zarr.Array:
    codec = MedROICodec.lossless() if codec is None else codec
    return create(volume, serializer=codec, compressors=None, **options)


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_format_3_returns_every_bit(dtype: str, order: str, shards: Any) -> None:
    volume = make_volume(dtype, order)
    made = create3(volume, shards=shards, config={"order": order})
    assert made[...].dtype == volume.dtype
    assert made[...].tobytes() == volume.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*DTYPES, ">i2", ">f4"])
def test_format_2_returns_every_bit(dtype: str, order: str) -> None:
    volume = make_volume(dtype, order)
    made = create(volume, zarr_format=2, compressors=MedROI.lossless(), order=order)
    assert made[...].dtype == volume.dtype
    assert made[...].tobytes() == volume.tobytes()


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_selections_read_what_numpy_reads(shards: Any) -> None:
    volume = make_volume()
    made = create3(volume, shards=shards)
    for selection in (np.s_[3:33:3, 20, ::2], np.s_[39], np.s_[:, :3, :3], np.s_[5, 6, 7]):
        assert np.array_equal(made[selection], volume[selection])
    rows = ([39, 1, 5], [3, 3, 9], [0, 1, 2])
    assert np.array_equal(made.oindex[rows], volume[np.ix_(*rows)])
    assert np.array_equal(made.vindex[rows], volume[rows])


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_writes_to_regions_leave_the_rest_alone(shards: Any) -> None:
    volume = make_volume()
    made = create3(volume, shards=shards)
    made[10:20, 3] = volume[10:20, 3] = 77
    assert np.array_equal(made[...], volume)


def test_a_fill_value_other_than_the_background_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="fill_value=-1024"):
        create3(make_volume(), MedROICodec(background=-1024))


def test_a_codec_survives_pickle() -> None:
    codec = MedROICodec("deflate", axes=(0, 1))
    assert pickle.loads(pickle.dumps(codec)) == codec


def test_a_folder_is_read_without_an_import_of_medroi(tmp_path: Path) -> None:
    volume = make_volume()
    create3(volume, store=str(tmp_path / "scan.zarr"))
    program = (
        "import sys, zarr\n"
        "assert 'medroi' not in sys.modules\n"
        "print(int(zarr.open(sys.argv[1], mode='r')[...].sum()))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "scan.zarr")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(found.stdout) == volume.sum()
