"""zarr 2.18: format 2 arrays with `MedROI` as compressor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from medroi import MedROI, errors

SHAPE, CHUNKS = (40, 36, 34), (16, 16, 16)
DTYPES = ("|b1", "|u1", "|i1", "<u2", ">u2", "<i2", ">i2", "<i4", ">u8", "<f2", "<f4", ">f8", "<c8")


def make_volume(dtype: str, order: str = "C") -> np.ndarray:
    rng = np.random.default_rng(2)
    volume = np.zeros(SHAPE)
    volume[5:30, 6:30, 7:31] = rng.integers(50, 120, (25, 24, 24))
    return np.asarray(volume, dtype, order=order)


def create(volume: np.ndarray, codec: MedROI, store: Any = None, **options: Any) -> zarr.Array:
    made = zarr.open(
        store={} if store is None else store,
        mode="w",
        shape=volume.shape,
        dtype=volume.dtype,
        chunks=CHUNKS,
        compressor=codec,
        **options,
    )
    made[...] = volume
    return made


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_lossless_returns_every_bit(dtype: str, order: str) -> None:
    volume = make_volume(dtype, order)
    found = create(volume, MedROI.lossless(), order=order)[...]
    assert found.dtype == volume.dtype
    assert found.tobytes() == volume.tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
def test_tissue_is_exact_with_any_inner_codec(inner: str, order: str) -> None:
    volume = make_volume("<i2", order)
    made = create(volume, MedROI(inner), order=order)
    assert np.array_equal(made[...], volume)
    assert np.array_equal(made[3:33:3, 20, ::2], volume[3:33:3, 20, ::2])
    made[10:20, 10, 9:20] = volume[10:20, 10, 9:20] = 77
    assert np.array_equal(made[...], volume)


def test_filters_before_it_hand_over_flat_data() -> None:
    from numcodecs import Delta, Shuffle

    volume = make_volume("<i2")
    for filters in ([Delta("<i2")], [Shuffle(2)]):
        assert np.array_equal(create(volume, MedROI(), filters=filters)[...], volume)


def test_a_folder_is_read_without_an_import_of_medroi(tmp_path: Path) -> None:
    volume = make_volume("<i2")
    create(volume, MedROI(), store=str(tmp_path / "scan.zarr"))
    program = (
        "import sys, zarr\n"
        "assert 'medroi' not in sys.modules\n"
        "print(int(zarr.open(sys.argv[1], mode='r')[...].sum()))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "scan.zarr")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(found.stdout) == volume.sum()


def test_a_changed_chunk_is_an_error_out_of_zarr() -> None:
    store: dict[str, Any] = {}
    made = create(make_volume("<i2"), MedROI(), store=store)
    stored = bytearray(store["1.1.1"])
    stored[-5] ^= 1
    store["1.1.1"] = bytes(stored)
    with pytest.raises(errors.CorruptStream):
        made[...]


def test_the_serializer_says_that_it_needs_zarr_3() -> None:
    with pytest.raises(errors.InnerUnavailable, match="zarr>=3"):
        __import__("medroi.zarr")
