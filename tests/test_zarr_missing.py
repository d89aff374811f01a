"""Missing values in Zarr arrays: NaN and fill values come back as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from arrays import phantom, same_bits

from medroi import MedROI
from medroi.zarr import MedROICodec

SHAPE, CHUNKS = (40, 36, 34), (16, 16, 16)
VOLUME = phantom(SHAPE).astype("<f4")


def ball(shape: tuple[int, ...]) -> np.ndarray:
    grid = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    return sum(axis * axis for axis in grid) < 0.5


LAYOUTS = {
    "format 3": {},
    "one chunk": {"chunks": SHAPE},
    "shards": {"shards": (32, 32, 32)},
    "format 2": {"zarr_format": 2},
}
each_layout = pytest.mark.parametrize("layout", LAYOUTS)
each_region = pytest.mark.parametrize("options", [{}, {"roi": "mask"}, {"threshold": "mean"}])


def create(layout: str, dtype: Any, options: dict[str, Any], **more: Any) -> zarr.Array:
    chosen = {"chunks": CHUNKS, "shape": SHAPE, "dtype": dtype, **LAYOUTS[layout], **more}
    if layout == "format 2":
        return zarr.create_array({}, **chosen, compressors=MedROI(**options), filters=None)
    return zarr.create_array({}, **chosen, serializer=MedROICodec(**options), compressors=None)


@each_layout
@each_region
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_voxels_never_written_stay_nan(dtype: str, options: Any, layout: str) -> None:
    made = create(layout, dtype, options, fill_value=np.nan)
    expected = np.full(SHAPE, np.nan, dtype)
    for place in (np.s_[2, 2, 2], np.s_[20:30, 5, 3:9], np.s_[39, 35, 33]):
        made[place] = expected[place] = 100
        assert np.array_equal(made[...], expected, equal_nan=True)


@each_layout
@pytest.mark.parametrize("options", [{}, {"roi": "mask"}])
@pytest.mark.parametrize("fill_value", [0, np.nan, -1024])
def test_nan_outside_a_mask_comes_back(fill_value: float, options: Any, layout: str) -> None:
    masked = np.where(ball(SHAPE), VOLUME, np.float32(np.nan))
    made = create(layout, masked.dtype, options, fill_value=fill_value)
    made[...] = masked
    assert same_bits(np.asarray(made[...]), masked)


@each_layout
@pytest.mark.parametrize("fill_value", [0, np.nan])
def test_nan_scattered_in_air_and_tissue_comes_back(fill_value: float, layout: str) -> None:
    volume = VOLUME.copy()
    place = np.random.default_rng(5).random(SHAPE) < 0.01
    volume[place] = np.nan
    made = create(layout, volume.dtype, {}, fill_value=fill_value)
    made[...] = volume
    found = made[...]
    assert np.isnan(found[place]).all()
    assert np.array_equal(found[volume > 50], volume[volume > 50])


@each_layout
def test_a_volume_of_nothing_but_nan_comes_back(layout: str) -> None:
    for fill_value in (0, np.nan):
        made = create(layout, "<f4", {}, fill_value=fill_value)
        made[...] = np.nan
        assert np.isnan(made[...]).all()


@each_layout
@pytest.mark.parametrize(("dtype", "fill_value"), [("<i2", -32768), ("<u2", 65535), ("|i1", -1)])
def test_a_fill_value_of_integers_is_what_never_written_voxels_have(
    dtype: str, fill_value: int, layout: str
) -> None:
    made = create(layout, dtype, {}, fill_value=fill_value)
    expected = np.full(SHAPE, fill_value, dtype)
    for place in (np.s_[2, 2, 2], np.s_[20:30, 5, 3:9], np.s_[0]):
        made[place] = expected[place] = 7
        assert np.array_equal(made[...], expected)
