"""What is taken for the air, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference

from medroi.errors import InvalidArgument
from medroi.roi import find_background

SHAPE = (40, 48, 44)


def body_in(air: reference.Array, low: float, high: float) -> reference.Array:
    """An ellipsoid of tissue, brighter or darker than the air around it."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in air.shape], indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.6
    tissue = np.random.default_rng(3).uniform(low, high, air.shape)
    return np.asarray(np.where(inside, tissue, air))


def rician(sigma: float) -> reference.Array:
    """Noise as the air of a magnitude image has it."""
    rng = np.random.default_rng(2)
    return np.asarray(np.hypot(rng.normal(0, sigma, SHAPE), rng.normal(0, sigma, SHAPE)))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", ">i2", "i4", "f2", "f4", ">f8"])
def test_noisy_air_of_magnitude_images_is_zero(dtype: str) -> None:
    scan = body_in(rician(2.0), 40, 120).astype(dtype)
    assert find_background(scan) == 0


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_stripped_brains_have_their_exact_background(dtype: str) -> None:
    assert find_background(body_in(np.zeros(SHAPE), 30, 200).astype(dtype)) == 0


def test_negative_tissue_does_not_hide_a_zero_background() -> None:
    assert find_background(body_in(np.zeros(SHAPE), -2, 2)) == 0


@pytest.mark.parametrize("air", [-1024, -1000, -2000])
@pytest.mark.parametrize("dtype", ["i2", ">i2", "i4", "f4"])
def test_padded_ct_has_its_padding(air: int, dtype: str) -> None:
    assert find_background(body_in(np.full(SHAPE, air), -120, 900).astype(dtype)) == air


def test_noisy_air_of_ct_is_near_its_mode() -> None:
    rng = np.random.default_rng(4)
    scan = body_in(np.rint(rng.normal(-1000, 12, SHAPE)), -120, 900).astype("i2")
    assert -1012 <= find_background(scan) <= -988


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
def test_inverted_images_have_their_bright_border(dtype: str) -> None:
    scan = body_in(np.full(SHAPE, 250), 10, 200).astype(dtype)
    assert find_background(scan, polarity="dark") == 250
    with pytest.raises(InvalidArgument, match="dark"):
        find_background(scan)


def test_a_mammogram_may_touch_one_edge() -> None:
    image = np.zeros((300, 200), "u2")
    image[40:250, :90] = np.random.default_rng(1).integers(2000, 50000, (210, 90))
    assert find_background(image) == 0


def test_time_series_with_time_last_have_one_background() -> None:
    scan = np.stack([body_in(rician(3.0), 100, 300)] * 3, axis=-1).astype("i2")
    assert find_background(scan, axes=(0, 1, 2)) == 0


def test_the_layout_does_not_matter() -> None:
    scan = body_in(np.full(SHAPE, -1024), -120, 900).astype("i2")
    assert find_background(np.asfortranarray(scan)) == -1024
    assert find_background(scan.transpose(2, 0, 1)) == -1024


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1,), (2, 2), (7,), (5, 6, 7)])
def test_a_constant_array_is_its_own_background(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    assert find_background(array) == array.flat[0]
    assert find_background(array, polarity="dark") == array.flat[0]


@pytest.mark.parametrize("value", [-5.5, 6e-8, -6.1e-5, 65504.0, 0.333])
def test_half_precision_values_come_back_exactly(value: float) -> None:
    array = np.full((4, 5, 6), value, "f2")
    assert find_background(array) == np.float16(value)


def refused_arrays() -> dict[str, Any]:
    """Arrays whose air nobody could tell."""
    rng = np.random.default_rng(6)
    tissue_border = rng.normal(70, 8, SHAPE)
    tissue_border[5:-5, 5:-5, 5:-5] = 0
    return {
        "a crop inside tissue": rng.normal(300, 40, SHAPE).astype("i2"),
        "tissue around a cavity": tissue_border.astype("u1"),
        "noise around zero": rng.normal(0, 30, SHAPE).astype("i2"),
        "float noise around zero": rng.normal(0, 30, SHAPE),
        "dim float air that can be negative": body_in(rng.normal(0, 2, SHAPE), 80, 200),
        "uniform noise": rng.integers(0, 256, SHAPE).astype("u1"),
    }


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_a_border_of_nan_makes_nan_the_background(dtype: str) -> None:
    masked = np.full(SHAPE, math.nan, dtype)
    assert math.isnan(find_background(masked))
    masked[8:-8, 8:-8, 8:-8] = 100
    assert math.isnan(find_background(masked))
    masked[0], masked[-1] = math.inf, math.inf
    masked[:, 0], masked[:, -1] = math.inf, math.inf
    with pytest.raises(InvalidArgument, match="not finite"):
        find_background(masked)


@pytest.mark.parametrize("name", list(refused_arrays()))
def test_what_cannot_be_told_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"background=VALUE or use threshold=None"):
        find_background(refused_arrays()[name])
