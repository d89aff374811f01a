"""One chunk has the same bytes whichever binding wrote it: the regions that are more than a box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from arrays import phantom
from counting_store import CountingStore
from make_hdf5 import chunks_of

import medroi.hdf5
from medroi import MedROI
from medroi.hdf5 import MedROIFilter
from medroi.zarr import MedROICodec


def two_bodies(shape: tuple[int, ...]) -> np.ndarray:
    """Noisy air around a large ellipsoid and a small bright label in a corner."""
    values = phantom(shape)
    values[tuple(slice(1, max(2, n // 8)) for n in shape)] = 300
    return values


SERIES = np.stack([phantom((30, 34, 32)), np.roll(phantom((30, 34, 32)), 2, axis=0)])

# name: the array, its chunks, the options, and whether the first chunk's stream is a mask
CASES: dict[str, tuple[np.ndarray, tuple[int, ...], dict[str, Any], bool]] = {
    "mask": (phantom((40, 48, 44)), (40, 48, 44), {"roi": "mask"}, True),
    "mask in chunks": (phantom((40, 48, 44)), (24, 25, 44), {"roi": "mask"}, True),
    "mask at a number": (
        phantom((40, 48, 44)),
        (40, 48, 44),
        {"roi": "mask", "threshold": 50.5, "max_miss_rate": 0.0},
        True,
    ),
    "mask of big-endian floats": (
        phantom((40, 48, 44), ">f4"),
        (40, 48, 44),
        {"roi": "mask"},
        True,
    ),
    "dark mask": (
        (200 - phantom((40, 48, 44))).astype("<i2"),
        (40, 48, 44),
        {"roi": "mask", "polarity": "dark", "background": 200},
        True,
    ),
    "mask of an image": (phantom((90, 110)), (90, 110), {"roi": "mask", "axes": (0, 1)}, True),
    "mask of a time series": (SERIES, (2, 30, 34, 32), {"roi": "mask"}, True),
    "mask of the first axes": (
        np.ascontiguousarray(np.moveaxis(SERIES, 0, -1)),
        (30, 34, 32, 2),
        {"roi": "mask", "axes": (0, 1, 2), "slice_axis": 2},
        True,
    ),
    "noise": (phantom((40, 48, 44)), (40, 48, 44), {"threshold": "noise"}, False),
    "noise of an image": (phantom((90, 110)), (50, 60), {"threshold": "noise"}, False),
    "box of the largest": (
        two_bodies((40, 48, 44)),
        (40, 48, 44),
        {"components": "largest", "threshold": "noise"},
        False,
    ),
    "mask of the largest": (
        two_bodies((40, 48, 44)),
        (40, 48, 44),
        {"components": "largest", "roi": "mask"},
        True,
    ),
}


PAIRS = [*((name, "zstd") for name in CASES), ("mask", "raw"), ("mask", "predict3d")]


def expected_streams(name: str, inner: str) -> dict[tuple[int, ...], bytes]:
    """What numcodecs' binding makes of every chunk, by the chunk's corner."""
    array, chunks, options, is_mask = CASES[name]
    codec, fill = MedROI(inner, **options), options.get("background", 0)
    streams = {at: codec.encode(chunk) for at, chunk in chunks_of(array, chunks, fill)}
    first = medroi.inspect(next(iter(streams.values())))
    assert first.roi == ("mask" if is_mask else "box")
    return streams


def stored_chunks(name: str, codec: Any, zarr_format: int) -> dict[tuple[int, ...], bytes]:
    """What Zarr stored, by the chunk's corner."""
    array, chunks, options, _ = CASES[name]
    store = CountingStore()
    place = {"compressors": codec} if zarr_format == 2 else {"serializer": codec}
    made = zarr.create_array(
        store,
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks,
        zarr_format=zarr_format,
        fill_value=options.get("background", 0),
        filters=None if zarr_format == 2 else "auto",
        **({"compressors": None} | place),
    )
    made[...] = array
    prefix, joint = ("", ".") if zarr_format == 2 else ("c/", "/")
    corners = [at for at, _ in chunks_of(array, chunks)]
    keys = [joint.join(str(i // n) for i, n in zip(at, chunks)) for at in corners]
    return {at: store.chunk(prefix + key) for at, key in zip(corners, keys)}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("name", "inner"), PAIRS)
def test_zarr_stores_the_streams_of_numcodecs(name: str, inner: str, zarr_format: int) -> None:
    made = MedROI if zarr_format == 2 else MedROICodec
    found = stored_chunks(name, made(inner, **CASES[name][2]), zarr_format)
    assert found == expected_streams(name, inner)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize(("name", "inner"), PAIRS)
def test_hdf5_stores_the_streams_of_numcodecs(
    name: str, inner: str, direct: bool, tmp_path: Path
) -> None:
    array, chunks, options, _ = CASES[name]
    wanted, fill = MedROIFilter(inner, **options), options.get("background", 0)
    with h5py.File(tmp_path / "a.h5", "w", rdcc_nbytes=0) as file:
        made = file.create_dataset(
            "scan", array.shape, array.dtype, chunks=chunks, fillvalue=fill, **wanted
        )
        if direct:
            medroi.hdf5.write(made, array)
        else:
            made[...] = array
        file.flush()
        for at, stream in expected_streams(name, inner).items():
            assert made.id.read_direct_chunk(at) == (0, stream)
        assert np.array_equal(medroi.hdf5.read(made), made[...])
