"""Promises of the default settings: what is not shown to be noisy air comes back bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from arrays import same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

import medroi
from medroi import MedROI

REGIONS = ("box", "mask")
ORDERS = ("C", "F")
SHAPES = ((64, 64, 64), (40, 33, 21), (90, 70), (30, 20, 12, 3))
INTEGERS = ("|u1", "<i2", ">u2", "<i4")
FLOATS = ("<f4", ">f8")


def assert_exact(array: np.ndarray, **options) -> None:
    codec = MedROI(**options)
    stream = codec.encode(array)
    assert same_bits(codec.decode(stream), array)
    info = medroi.inspect(stream)
    assert info.miss_rate == 0
    # A threshold would say that something could have been dropped.
    assert np.isnan(info.threshold)


def axes_of(shape: tuple[int, ...]) -> dict:
    return {"axes": (0, 1, 2)} if len(shape) > 3 else {}


def every_way(test):
    for name, choices in (("order", ORDERS), ("roi", REGIONS)):
        test = pytest.mark.parametrize(name, choices)(test)
    return test


def ball(shape: tuple[int, ...], radius: float = 0.7) -> np.ndarray:
    grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    return np.broadcast_to(sum(g * g for g in grid) < radius * radius, shape)


def noise(shape: tuple[int, ...], seed: int, sigma: float = 4.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.hypot(rng.normal(0, sigma, shape), rng.normal(0, sigma, shape))


@st.composite
def label_maps(draw) -> np.ndarray:
    """Boxes of any size with any values, single voxels among them, in constant air."""
    shape = draw(st.sampled_from(SHAPES))
    labels = np.zeros(shape, draw(st.sampled_from(INTEGERS)))
    most = min(np.iinfo(labels.dtype).max, 3000)
    for _ in range(draw(st.integers(1, 12))):
        start = [draw(st.integers(0, n - 1)) for n in shape]
        size = [draw(st.sampled_from((1, 1, 2, 5, 20))) for _ in shape]
        place = tuple(slice(a, a + b) for a, b in zip(start, size))
        labels[place] = draw(st.integers(1, most))
    return labels


@given(label_maps(), st.sampled_from(REGIONS), st.sampled_from(ORDERS))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_label_maps_come_back_exactly(labels, roi, order) -> None:
    assert_exact(np.array(labels, order=order), roi=roi, **axes_of(labels.shape))


@every_way
def test_no_label_vanishes_beside_a_larger_one(roi: str, order: str) -> None:
    labels = np.zeros((64, 64, 64), "u2", order=order)
    labels[20:30, 20:30, 20:30], labels[34:44, 34:44, 34:44], labels[5:8, 5:8, 5:8] = 1, 100, 2
    assert_exact(labels, roi=roi)


@every_way
@pytest.mark.parametrize("dtype", [*INTEGERS, "|b1"])
def test_point_labels_and_masks_come_back_exactly(dtype: str, roi: str, order: str) -> None:
    points = np.zeros((40, 40, 120), dtype, order=order)
    for number in range(11):
        points[20, 22, 110 - 10 * number] = number + 2
    mask = np.array(ball(points.shape), dtype, order=order)
    for array in (points, mask):
        codec = MedROI(roi=roi)
        assert same_bits(codec.decode(codec.encode(array)), array)


@given(
    st.sampled_from(SHAPES),
    st.sampled_from((*FLOATS, "<i2")),
    st.sampled_from((0, -5, 1000)),
    st.sampled_from(REGIONS),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_statistics_lose_neither_sign_whatever_the_air_holds(shape, dtype, air, roi, seed) -> None:
    values = np.random.default_rng(seed).normal(0, 300, shape).astype(dtype)
    values[~ball(shape)] = air
    # With the air's value as background or not: constant air loses nothing.
    for background in (0, air):
        assert_exact(values, roi=roi, background=background, **axes_of(shape))


@every_way
@pytest.mark.parametrize("value", [0, 7, -3, 1000, -1024])
@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_constant_arrays_come_back_exactly(dtype: str, value: int, roi: str, order: str) -> None:
    for shape in ((1, 1, 1), (1, 9, 5), (30, 20, 16), (64, 64)):
        array = np.full(shape, value, dtype, order=order)
        codec = MedROI(roi=roi)
        assert same_bits(codec.decode(codec.encode(array)), array)


@every_way
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("background", [0, np.nan])
def test_missing_values_come_back_in_any_air(
    background: float, dtype: str, roi: str, order: str
) -> None:
    shape = (40, 36, 32)
    masked = np.where(ball(shape), 400 + noise(shape, 1), np.nan)
    masked[20, 18, 15:17] = np.nan
    in_air = np.where(ball(shape), 300, 0) + noise(shape, 2)
    in_air[1:3, 2:5, 3], in_air[38, 1, 30] = np.nan, np.nan
    for values in (masked, in_air, np.full(shape, np.nan)):
        array = np.array(values, dtype, order=order)
        decoded = MedROI().decode(MedROI(roi=roi, background=background).encode(array))
        missing = np.isnan(array)
        assert np.array_equal(np.isnan(decoded), missing)
    assert_exact(np.array(masked, dtype, order=order), roi=roi, background=background)


@given(
    st.sampled_from(((48, 44, 40), (64, 64, 20), (120, 90))),
    st.sampled_from(("<i2", "<u2", "<f4", "|u1")),
    st.sampled_from(REGIONS),
    st.sampled_from((0.5, 3.0, 6.0)),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_arrays_without_air_come_back_exactly(shape, dtype, roi, sigma, seed) -> None:
    """A cropped field of view: bright and dim tissue with texture, up to every face."""
    rng = np.random.default_rng(seed)
    grid = np.ogrid[tuple(slice(0, 3, n * 1j) for n in shape)]
    waves = [np.sin(g * rng.uniform(1, 2) + rng.uniform(0, 6)) for g in grid]
    values = 140 + 25 * sum(waves) + rng.normal(0, sigma, shape)
    array = np.asfortranarray(values.clip(1, 255).astype(dtype))
    assert_exact(array, roi=roi)


@every_way
def test_the_inside_of_a_head_is_no_air(head_volume, roi: str, order: str) -> None:
    inside = np.array(head_volume[60:108, 70:118, 70:118], order=order)
    assert_exact(inside, roi=roi)


@pytest.mark.parametrize(
    "options", [{"background": "auto"}, {"background": -1000}, {"background": -2000}, {}]
)
@pytest.mark.parametrize("roi", REGIONS)
def test_a_padding_circle_is_never_refused_and_loses_no_body(options, roi: str) -> None:
    """CT: -2000 outside the reconstruction circle, air at -1000 +- 15 inside it."""
    rng = np.random.default_rng(0)
    y, x = np.indices((256, 256)) - 128.0
    air = np.where((x / 60) ** 2 + (y / 45) ** 2 < 1, 40, -1000)[..., None]
    volume = air + rng.normal(0, 15, (256, 256, 12))
    outside = np.hypot(x, y) > 127
    volume[outside] = -2000
    volume = np.asfortranarray(volume.round().astype(np.int16))
    for codec in (MedROI(roi=roi, **options), MedROI.fit(volume, roi=roi, **options)):
        decoded = codec.decode(codec.encode(volume))
        changed = decoded != volume
        # Padding is neither air nor tissue: it comes back as itself.
        assert not changed[outside].any()
        assert not changed[volume > -900].any()


def thick_nodule() -> tuple[np.ndarray, np.ndarray]:
    """Slices of 6.5 mm; a bright nodule of two slices beside a body."""
    volume = np.abs(np.random.default_rng(1).normal(0, 4, (128, 128, 25)))
    volume[20:90, 30:100, 3:22] += 120
    volume[100:126, 52:78, 10:12] += 200
    array = np.asfortranarray(volume.clip(0, 255).astype(np.uint8))
    return array, array > 60


def end_cone() -> tuple[np.ndarray, np.ndarray]:
    """A cone that grows up to the last slice."""
    y, x = np.indices((96, 96)) - 48.0
    volume = np.abs(np.random.default_rng(0).normal(0, 4, (96, 96, 11)))
    for z in range(11):
        volume[..., z] += np.where(np.hypot(x, y) < 8 + 4 * z, 120, 0)
    array = np.asfortranarray(volume.astype(np.uint8))
    return array, array > 60


@pytest.mark.parametrize("make", [thick_nodule, end_cone])
@pytest.mark.parametrize("background", ["auto", None])
def test_a_mask_keeps_what_is_thin_along_one_axis(make, background) -> None:
    volume, bright = make()
    for codec in (
        MedROI(roi="mask", background=background),
        MedROI.fit(volume, roi="mask", background=background),
    ):
        stream = codec.encode(volume)
        assert np.array_equal(codec.decode(stream)[bright], volume[bright])
        assert medroi.inspect(stream).miss_rate <= 0.002


@pytest.mark.parametrize("make", [thick_nodule, end_cone])
@pytest.mark.parametrize("background", ["auto", None])
def test_a_box_loses_no_more_than_its_miss_rate_of_what_is_bright(make, background) -> None:
    volume, bright = make()
    for codec in (
        MedROI(background=background),
        MedROI.fit(volume, background=background),
        MedROI(background=background, max_miss_rate=0),
    ):
        lost = bright & (codec.decode(codec.encode(volume)) != volume)
        allowed = codec.get_config()["max_miss_rate"] * np.count_nonzero(bright)
        assert np.count_nonzero(lost) <= allowed


@pytest.mark.parametrize("options", [{}, {"threshold": "mean"}, {"threshold": "noise"}])
@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("dtype", ["<i2", "|u1", "<f4"])
def test_a_stream_says_how_many_of_all_voxels_at_its_threshold_are_outside(
    head_volume, dtype: str, roi: str, options
) -> None:
    volume = np.asfortranarray(head_volume[::2, ::2, ::2].astype(dtype))
    codec = MedROI("raw", roi=roi, **options)
    stream = codec.encode(volume)
    info = medroi.inspect(stream)
    reached = volume != 0 if np.isnan(info.threshold) else volume >= info.threshold
    n_lost = np.count_nonzero(reached & (codec.decode(stream) != volume))
    assert info.miss_rate == pytest.approx(n_lost / np.count_nonzero(reached), abs=1e-12)
    assert info.miss_rate <= 0.002
