"""The noise of a scan: one estimate, and one step for all chunks that are to lose a share of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from medroi import MedROI, metrics
from medroi.errors import InvalidArgument

SIGMA = 9.0
SHAPE = (48, 64, 64)
CHUNK = (24, 32, 32)


def head(dtype: str = "<i2", seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """A ball of tissue with noise in noisy air, and where it is."""
    grid = np.meshgrid(*(np.linspace(-1.4, 1.4, n) for n in SHAPE), indexing="ij")
    ball = sum(axis**2 for axis in grid) < 1
    rng = np.random.default_rng(seed)
    smooth = 500 + 80 * np.sin(6 * grid[0]) * np.cos(5 * grid[1])
    tissue = smooth + rng.normal(0, SIGMA, SHAPE)
    return np.rint(np.where(ball, tissue, rng.rayleigh(SIGMA, SHAPE))).astype(dtype), ball


def inner_of(codec: MedROI) -> dict[str, Any]:
    inner: dict[str, Any] = codec.get_config()["inner"]
    return inner


def error_in_chunks(codec: MedROI, scan: np.ndarray) -> np.ndarray:
    """What each chunk, coded alone, comes back with, less the scan."""
    found = np.empty(scan.shape)
    for start in np.ndindex(*(n // c for n, c in zip(SHAPE, CHUNK, strict=True))):
        part = tuple(slice(i * c, (i + 1) * c) for i, c in zip(start, CHUNK, strict=True))
        chunk = np.ascontiguousarray(scan[part])
        found[part] = np.asarray(codec.decode(codec.encode(chunk)), float) - chunk
    return found


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f4"])
def test_chunks_of_a_fitted_scan_share_one_step_and_lose_the_share_that_was_asked(
    dtype: str,
) -> None:
    scan, _ = head(dtype)
    asked = {"id": "wavelet3d", "noise": 0.5}
    codec = MedROI.fit(scan, chunks=CHUNK, inner=asked, roi="mask")
    inner = inner_of(codec)
    assert "step" in inner and "noise" not in inner
    assert inner_of(MedROI.from_config(json.loads(json.dumps(codec.get_config())))) == inner
    kept = codec.region.kept()
    rms = float(np.sqrt(np.mean(error_in_chunks(codec, scan)[kept] ** 2)))
    assert rms == pytest.approx(0.5 * metrics.noise_sigma(scan, kept), rel=0.1)


def test_the_step_of_a_fit_is_that_of_the_scan_in_one_chunk() -> None:
    scan, _ = head()
    options: dict[str, Any] = {"threshold": 40, "background": 0, "roi": "mask"}
    fitted = MedROI.fit(scan, inner={"id": "wavelet3d", "noise": 0.7}, **options)
    whole = MedROI({"id": "wavelet3d", "noise": 0.7}, **options)
    assert bytes(fitted.encode(scan)) == bytes(whole.encode(scan))


def test_settings_beside_the_target_stay() -> None:
    scan, _ = head()
    beside = {"spacing_mm": [3.0, 1.0, 1.0], "speed": "small"}
    inner = inner_of(MedROI.fit(scan, inner={"id": "wavelet3d", "noise": 0.5, **beside}))
    assert inner == {"id": "wavelet3d", "step": inner["step"], **beside}


def test_a_scan_without_noise_keeps_the_target_and_every_voxel() -> None:
    ramp = np.add.outer(np.arange(12), np.add.outer(np.arange(40), np.arange(44))).astype("<i2")
    codec = MedROI.fit(ramp, inner={"id": "wavelet3d", "noise": 0.5})
    assert inner_of(codec)["noise"] == 0.5
    assert np.array_equal(codec.decode(codec.encode(ramp)), ramp)


def test_of_a_given_mask_the_noise_inside_counts() -> None:
    scan, ball = head()
    scan[~ball] *= 7  # louder than the tissue
    inner = inner_of(MedROI.fit(scan, mask=ball, inner={"id": "wavelet3d", "noise": 0.5}))
    quiet = np.where(ball, scan, 0).astype(scan.dtype)
    assert inner == inner_of(MedROI.fit(quiet, mask=ball, inner={"id": "wavelet3d", "noise": 0.5}))
    loud = inner_of(MedROI.fit(scan, threshold=None, inner={"id": "wavelet3d", "noise": 0.5}))
    assert inner["step"] < 0.7 * loud["step"]


@pytest.mark.parametrize("dtype", ["|u1", "<u2", ">i2", "<i4", "<i8", "<f2", "<f4", ">f8"])
def test_the_estimate_is_the_noise_that_was_added_whatever_the_element_type(dtype: str) -> None:
    rng = np.random.default_rng(8)
    values = np.rint(100 + rng.normal(0, SIGMA, (6, 80, 90))).astype(dtype)
    assert metrics.noise_sigma(values) == pytest.approx(SIGMA, rel=0.05)
    stacked = values.reshape(2, 3, 80, 90)
    assert metrics.noise_sigma(stacked) == metrics.noise_sigma(values)


def test_squares_of_one_value_and_outside_the_mask_do_not_count() -> None:
    values = np.zeros((4, 60, 60))
    values[:, 20:40, 20:40] = np.random.default_rng(1).normal(50, SIGMA, (4, 20, 20))
    inside = values != 0
    assert metrics.noise_sigma(values, inside) == pytest.approx(SIGMA, rel=0.1)
    assert metrics.noise_sigma(values) == metrics.noise_sigma(values, inside)
    assert metrics.noise_sigma(values, np.zeros(values.shape, bool)) is None
    with pytest.raises(InvalidArgument, match="expected slices"):
        metrics.noise_sigma(values.ravel())


def test_a_mask_of_another_shape_is_refused_and_an_empty_scan_has_no_noise() -> None:
    values = np.zeros((2, 8, 8))
    for shape in ((2, 8, 7), (1, 1, 1), (8, 8)):
        with pytest.raises(InvalidArgument, match=r"mask: found shape .*expected \(2, 8, 8\)"):
            metrics.noise_sigma(values, np.ones(shape, bool))
    for empty in ((0, 8, 8), (3, 0, 4), (3, 4, 0)):
        assert metrics.noise_sigma(np.zeros(empty)) is None
