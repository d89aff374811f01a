"""The threshold above the air's noise: on airs whose distribution is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medroi import MedROI
from medroi.roi import find_region


def scene(air: Any, tissue: float, spread: float, shape: tuple[int, ...] = (60, 64, 56)) -> Any:
    """A ball of tissue in the given air, and where it is."""
    rng = np.random.default_rng(2)
    grid = np.meshgrid(*(np.linspace(-1.5, 1.5, n) for n in shape), indexing="ij")
    inside = sum(axis**2 for axis in grid) < 1
    return np.where(inside, rng.normal(tissue, spread, shape), air(rng, shape)), inside


def rayleigh(sigma: float) -> Any:
    return lambda rng, shape: rng.rayleigh(sigma, shape)


def gaussian(mean: float, sigma: float) -> Any:
    return lambda rng, shape: rng.normal(mean, sigma, shape)


def half_constant(value: float, other: Any) -> Any:
    """Half of the air a constant fill, as where a face was cut off or a circle was not scanned."""

    def air(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        found = other(rng, shape)
        found[: shape[0] // 3] = value
        return found

    return air


AIRS = {
    "Rayleigh, integers": (rayleigh(12), 500, "i2", 0),
    "Rayleigh of few counts": (rayleigh(1.2), 75, "u2", 0),
    "Rayleigh, floats": (rayleigh(0.02), 1, "f4", 0),
    "Rayleigh, half floats": (rayleigh(12), 500, "f2", 0),
    "8 bits": (rayleigh(3), 130, "u1", 0),
    "zero padded": (half_constant(0, rayleigh(12)), 500, "i2", 0),
    "CT": (gaussian(-1000, 12), 40, "i2", -1024),
    "CT with padding": (half_constant(-1024, gaussian(-1000, 8)), 40, "i2", -1024),
    "CT whose background was not named": (gaussian(-1000, 12), 40, "i2", 0),
}


@pytest.mark.parametrize("name", AIRS)
@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_tau_lies_above_the_air_and_far_below_the_tissue(name: str, polarity: str) -> None:
    air, tissue, dtype, background = AIRS[name]
    values, inside = scene(air, tissue, abs(tissue) * 0.1)
    if polarity == "dark":
        if np.dtype(dtype).kind == "u":
            values, background = 250 - values, 250
            tissue = 250 - tissue
        else:
            values, background, tissue = -values, -background, -tissue
    array = values.astype(dtype)
    tau = find_region(array, threshold="noise", polarity=polarity, background=background).threshold
    above = array <= tau if polarity == "dark" else array >= tau
    assert above[~inside].mean() < 0.01
    assert above[inside].mean() > 0.999
    typical = np.median(array[~inside].astype(float))
    assert abs(tau - typical) < 0.25 * abs(tissue - typical)


@pytest.mark.parametrize("value", [0, -1024, 7])
def test_above_a_constant_air_everything_is_tissue(value: int) -> None:
    array = np.full((20, 20, 20), value, "i2")
    array[5:15, 5:15, 5:15] = np.arange(value + 1, value + 1001).reshape(10, 10, 10)
    assert find_region(array, threshold="noise", background=value).threshold == value + 1


def test_a_chunk_without_air_is_tissue() -> None:
    array = np.random.default_rng(1).normal(600, 60, (32, 32, 32)).astype("i2")
    region = find_region(array, threshold="noise")
    assert region.threshold == array.min()
    assert region.box == ((0, 32),) * 3


def test_tissue_on_most_of_the_border_hides_no_air() -> None:
    rng = np.random.default_rng(4)
    array = rng.rayleigh(12, (40, 64, 64))
    array[:, :, 10:50] = rng.normal(500, 50, (40, 64, 40))
    tau = find_region(array.astype("i2"), threshold="noise").threshold
    assert 30 < tau < 150


def test_leading_axes_share_one_threshold() -> None:
    values, _ = scene(rayleigh(5), 300, 30, (24, 26, 28))
    series = np.stack([values, values[::-1], values]).astype("i2")
    assert 15 < find_region(series, threshold="noise").threshold < 60


def test_the_same_threshold_for_every_layout() -> None:
    values, _ = scene(rayleigh(12), 500, 50, (40, 41, 42))
    array = values.astype("<i2")
    taus = {
        find_region(form, threshold="noise").threshold
        for form in (array, array.astype(">i2"), array.astype("f4"), array.astype("i8"))
    }
    assert len(taus) == 1


def test_lung_at_the_border_of_a_crop_is_not_taken_for_air() -> None:
    rng = np.random.default_rng(6)
    crop = rng.normal(-860, 55, (40, 40, 40)).clip(-1024)
    crop[12:28, 12:28, 12:28] = rng.normal(40, 60, (16, 16, 16))
    region = find_region(crop.astype("i2"), threshold="noise", background=-1024)
    assert region.threshold <= -1020
    assert region.box == ((0, 40),) * 3


@pytest.mark.parametrize(("sigma", "tissue"), [(1.8, 75), (20, 500)])
def test_a_heavy_tail_of_the_air_is_dim_tissue_far_from_the_coil(sigma: float, tissue: int) -> None:
    rng = np.random.default_rng(3)
    array, _ = scene(rayleigh(sigma), tissue, tissue / 20)
    array[18:42, :, :8] = rng.uniform(0, tissue / 4, (24, 64, 8))
    whole = array.astype("i2")
    tau = find_region(whole, threshold="noise").threshold
    assert 3 * sigma < tau < tissue / 7
    dim = whole[18:42, :, :8] > 0.15 * tissue
    assert (whole[18:42, :, :8][dim] >= tau).all()


@pytest.mark.parametrize("scale", [5e-324, 1e-320, 1.7e308])
@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_ranges_next_to_nothing_and_without_end_have_no_noise(scale: float, polarity: str) -> None:
    """Both would make bins of width 0 or infinity."""
    rng = np.random.default_rng(3)
    array = rng.uniform(-1, 1, (24, 20, 22)) * scale
    for rule in ("noise", "auto"):
        codec = MedROI("raw", threshold=rule, roi="mask", polarity=polarity)
        assert np.array_equal(codec.decode(codec.encode(array)), array)


@pytest.mark.parametrize("scale", [0.5, 0.37, 2.2e-3, 3, 16, 100])
@pytest.mark.parametrize("dark", [False, True])
def test_a_scan_that_was_scaled_has_the_region_that_it_had(scale: float, dark: bool) -> None:
    values, _ = scene(rayleigh(8), 330, 40)
    whole = np.asfortranarray(values.round().astype("i2"))
    if dark:
        whole = -whole
    scaled = whole.astype("f4") * np.float32(scale)
    if scale == int(scale):
        scaled = whole.astype("i4") * int(scale)
    options: dict[str, Any] = {
        "background": "auto",
        "roi": "mask",
        "polarity": "dark" if dark else "bright",
    }
    before = MedROI.fit(whole, **options).region
    after = MedROI.fit(scaled, **options).region
    assert after.threshold == pytest.approx(before.threshold * scale, rel=1e-4)
    assert np.array_equal(after.kept(), before.kept())
    assert 0 < before.n_kept < 0.5 * whole.size
