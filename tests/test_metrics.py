"""Promises of the figures of error: those of scikit-image, over the voxels of a mask."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medroi import metrics
from medroi.errors import InvalidArgument

skimage_metrics = pytest.importorskip("skimage.metrics")


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(5)
    smooth = rng.normal(size=(6, 40, 36)).cumsum(axis=1).cumsum(axis=2)
    original = np.rint(300 + 20 * smooth).astype(np.int16)
    decoded = (original + rng.integers(-9, 10, original.shape)).astype(np.int16)
    return original, decoded


@pytest.fixture(scope="module")
def mask(pair):
    grids = np.meshgrid(*(np.linspace(-1.1, 1.1, n) for n in pair[0].shape), indexing="ij")
    return sum(grid**2 for grid in grids) < 0.8


def reference_ssim(original, decoded, peak):
    return np.stack(
        [
            skimage_metrics.structural_similarity(
                a.astype(np.float64),
                b.astype(np.float64),
                data_range=peak,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                full=True,
            )[1]
            for a, b in zip(original, decoded)
        ]
    )


def test_psnr_is_that_of_scikit_image(pair):
    expected = skimage_metrics.peak_signal_noise_ratio(*pair, data_range=731)
    assert metrics.psnr(*pair, 731) == pytest.approx(expected, abs=1e-9)


def test_psnr_sees_only_the_mask(pair, mask):
    original, decoded = pair
    spoilt = np.where(mask, decoded, -30000).astype(np.int16)
    expected = skimage_metrics.peak_signal_noise_ratio(
        original[mask], decoded[mask], data_range=731
    )
    assert metrics.psnr(original, spoilt, 731, mask) == pytest.approx(expected, abs=1e-9)


def test_ssim_is_the_mean_of_scikit_images_map(pair):
    expected = reference_ssim(*pair, 500).mean()
    assert metrics.ssim(*pair, 500) == pytest.approx(expected, abs=1e-9)


def test_ssim_takes_voxels_outside_the_mask_for_equal(pair, mask):
    original, decoded = pair
    same_outside = np.where(mask, decoded, original)
    expected = reference_ssim(original, same_outside, 500)[mask].mean()
    spoilt = np.where(mask, decoded, -30000).astype(np.int16)
    assert metrics.ssim(original, spoilt, 500, mask) == pytest.approx(expected, abs=1e-9)


def test_a_reference_gives_what_the_functions_give(pair, mask):
    original, decoded = pair
    reference = metrics.Reference(original, 500, mask)
    expected = (
        metrics.psnr(original, decoded, 500, mask),
        metrics.max_error(original, decoded, mask),
    )
    assert reference.error(decoded) == expected
    assert reference.ssim(decoded) == metrics.ssim(original, decoded, 500, mask)
    assert reference.error(original) == (math.inf, 0.0)


def test_equal_arrays_are_infinitely_good_whatever_the_peak(pair):
    assert metrics.psnr(pair[0], pair[0], 0) == math.inf
    assert metrics.ssim(pair[0], pair[0], 1) == 1
    assert metrics.max_error(pair[0], pair[0]) == 0


def test_nan_that_comes_back_is_no_error():
    values = np.array([[1.0, np.nan], [np.inf, 4.0]], np.float32)
    assert metrics.psnr(values, values, 1.0) == math.inf
    assert metrics.tissue_peak(values) == 3.0


def test_integers_do_not_wrap():
    original, decoded = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert metrics.max_error(original, decoded) == 255
    assert metrics.max_error(decoded, original) == 255
    assert metrics.psnr(decoded, original, 255) == 0


def test_ratio_and_bits_count_what_they_say():
    assert metrics.compression_ratio(2000, 500) == 4
    assert metrics.bits_per_voxel(500, 1000) == 4
    assert metrics.bits_per_voxel(500, 0) == math.inf


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a: metrics.psnr(a, a[1:], 1),
        lambda a: metrics.psnr(a, a, 1, np.zeros(a.shape, bool)),
        lambda a: metrics.psnr(a, a + 1, 0),
        lambda a: metrics.ssim(a, a + 1, 0),
        lambda a: metrics.ssim(a.ravel(), a.ravel(), 1),
        lambda a: metrics.max_error(a, a, np.ones(3, bool)),
        lambda a: metrics.compression_ratio(1, 0),
        lambda a: metrics.Reference(a, 1.0).ssim(a[1:]),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong):
    with pytest.raises(InvalidArgument):
        wrong(np.arange(12.0).reshape(3, 4))


def test_a_missing_value_that_came_back_as_a_number_is_an_infinite_error():
    original = np.array([[1.0, np.nan], [3.0, 4.0]], np.float32)
    decoded = np.nan_to_num(original)
    assert metrics.psnr(original, original, peak=3.0) == math.inf
    assert metrics.psnr(original, decoded, peak=3.0) == -math.inf
    assert metrics.psnr(decoded, original, peak=3.0) == -math.inf
    assert metrics.max_error(original, decoded) == math.inf
