"""The region kernel against slow references: the same box, the same counts, the guarantee."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import reference
import reference_signal
from hypothesis import given, settings
from hypothesis import strategies as st

from medroi.errors import InvalidArgument
from medroi.roi import Region, find_region

NUMBER_DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
EXTREMES: dict[str, list[Any]] = {
    "f": [math.nan, math.inf, -math.inf, -0.0, 1e-7],
    "i": [-1, 0],
    "u": [0],
    "b": [0],
}


@dataclass(frozen=True)
class Case:
    """One array and how it is to be searched."""

    array: reference.Array
    axes: tuple[int, ...]
    polarity: str
    background: Any
    padding: int
    max_miss_rate: float

    def find(self, threshold: Any) -> Region:
        """Search with this threshold."""
        return find_region(
            self.array,
            threshold=threshold,
            polarity=self.polarity,
            background=self.background,
            padding=self.padding,
            max_miss_rate=self.max_miss_rate,
            axes=self.axes,
        )


def make_array(draw: st.DrawFn, dtype: np.dtype[Any]) -> reference.Array:
    """Air, noise, a body and specks, in any mixture, layout and byte order."""
    ndim = draw(st.integers(1, 5))
    largest = [70, 24, 13, 8, 5][ndim - 1]
    shape = draw(st.tuples(*[st.integers(1, largest)] * ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = np.zeros(shape)
    if draw(st.booleans()):
        values += rng.integers(0, 10, shape)
    if draw(st.booleans()):
        start = [int(rng.integers(0, n)) for n in shape]
        body = tuple(slice(s, s + int(rng.integers(1, n + 1))) for s, n in zip(start, shape))
        values[body] += rng.integers(20, 100, values[body].shape)
    if draw(st.booleans()):
        values[rng.random(shape) < draw(st.sampled_from([0.01, 0.1, 0.5]))] = 90
    if dtype.kind in "if":
        values -= draw(st.sampled_from([0, 0, 3, 30]))
    array = values.astype(dtype)
    if draw(st.booleans()):
        places = rng.random(shape) < 0.1
        extremes = list(EXTREMES[dtype.kind])
        if dtype.kind in "iu":
            extremes += [np.iinfo(dtype).max, np.iinfo(dtype).min]
        array[places] = np.array(extremes, dtype)[rng.integers(0, len(extremes), places.sum())]
    return np.asfortranarray(array) if draw(st.booleans()) else array


@st.composite
def cases(draw: st.DrawFn, dtypes: list[str] | None = None) -> Case:
    """Arrays of every dtype, layout and content with options that suit them."""
    name = draw(st.sampled_from(dtypes or NUMBER_DTYPES))
    array = make_array(draw, np.dtype(name).newbyteorder(draw(st.sampled_from("<>"))))
    axes = draw(
        st.lists(st.integers(0, array.ndim - 1), min_size=1, max_size=3, unique=True).map(sorted)
    )
    corner = array.flat[0].item()
    background = corner if draw(st.booleans()) and math.isfinite(corner) else 0
    return Case(
        array,
        tuple(axes),
        draw(st.sampled_from(["bright", "dark"])),
        background,
        draw(st.sampled_from([0, 1, 3, 100])),
        draw(st.sampled_from([0.0, 0.002, 0.1, 0.5, 1.0])),
    )


def padding_box(case: Case, threshold: Any) -> reference.Box:
    """The box of the padding values of an array, and of what lies beyond its background."""
    nothing = ((0, 0),) * case.array.ndim
    mask = reference_signal.beyond(case.array, threshold, case.background, case.polarity)
    value = reference_signal.padding_value(
        case.array,
        case.axes,
        case.background,
        lambda value: bool(reference.tissue_mask(np.array([value]), threshold, case.polarity)[0]),
    )
    if value is not None:
        mask = mask | reference_signal.padding_mask(case.array, case.axes, value)
    return reference.bounding_box(mask, case.axes) or nothing


def holding_signal(case: Case, box: reference.Box, signal: reference.Array) -> reference.Box:
    """A box, grown until no large group and not too much of the signal is outside."""
    large = reference_signal.large_groups(reference_signal.outside(signal, box), case.axes)
    box = reference.union(box, reference.bounding_box(large, case.axes))
    rest = reference_signal.outside(signal, box)
    if rest.sum() > case.max_miss_rate * signal.sum():
        box = reference.union(box, reference.bounding_box(rest, case.axes))
    return box


def assert_signal_is_right(case: Case, found: Region, signal: reference.Array) -> None:
    """What the region says of the signal that it drops."""
    dropped = reference_signal.outside(signal, found.box)
    assert found.dropped.n_dropped == dropped.sum()
    assert found.dropped.n_signal == (signal.sum() if dropped.any() else 0)
    largest = found.dropped.largest.n_voxels if found.dropped.largest else 0
    assert largest == reference_signal.largest_group(dropped, case.axes)
    if case.max_miss_rate < 1:
        assert largest <= reference_signal.LIMIT
        assert dropped.sum() <= case.max_miss_rate * signal.sum()
    if found.dropped.largest:
        box = tuple(slice(*bounds) for bounds in found.dropped.largest.box)
        values = case.array[box][dropped[box]]
        assert found.dropped.largest.peak in values


def assert_region_is_right(case: Case, found: Region, threshold: Any) -> None:
    """The reference's box where it holds the guarantee, else one around it that does."""
    array = case.array
    expected = reference.expected_region(
        array, threshold, polarity=case.polarity, padding=case.padding, axes=case.axes
    )
    missing = reference.missing_box(array, case.axes)
    nothing = ((0, 0),) * array.ndim
    if threshold is not None:
        missing = reference.union(missing or nothing, padding_box(case, threshold))
    if expected.n_tissue == 0:
        assert found.box == (missing or nothing)
        assert (found.miss_rate, found.n_tissue, found.n_missed) == (0.0, 0, 0)
        return
    mask = reference.tissue_mask(array, threshold, case.polarity)
    assert found.n_missed == reference.missed_by(mask, found.box)
    assert found.n_tissue == (expected.n_tissue if found.n_missed else 0)
    assert found.miss_rate == found.n_missed / expected.n_tissue
    assert found.miss_rate <= case.max_miss_rate
    signal = reference.tissue_mask(array, found.dropped.level, case.polarity)
    assert_signal_is_right(case, found, signal)
    if expected.n_missed / expected.n_tissue <= case.max_miss_rate:
        box = reference.union(expected.box, missing)
        if case.max_miss_rate < 1:
            box = holding_signal(case, box, signal)
        assert found.box == box
        return
    outer = reference.union(expected.tissue_box, missing)
    for axis, (start, stop) in enumerate(found.box):
        low, high = outer[axis]
        if expected.box != nothing:
            assert start <= expected.box[axis][0] and stop >= expected.box[axis][1]
            low, high = min(low, expected.box[axis][0]), max(high, expected.box[axis][1])
        assert low <= start <= stop <= high


@settings(max_examples=600, deadline=None)
@given(cases())
def test_mean_region_equals_the_reference(case: Case) -> None:
    threshold = reference.mean_threshold(case.array, case.background)
    found = case.find("mean")
    if threshold is None:
        assert math.isnan(found.threshold)
    else:
        assert found.threshold == pytest.approx(float(threshold), rel=1e-12, abs=1e-12)
    if case.array.dtype.kind == "f" and threshold is not None:
        threshold = found.threshold  # the last bit depends on the order of a float sum
    assert_region_is_right(case, found, threshold)


@settings(max_examples=400, deadline=None)
@given(cases(), st.one_of(st.integers(-40, 110), st.floats(allow_nan=False)))
def test_number_region_equals_the_reference(case: Case, threshold: float) -> None:
    found = case.find(threshold)
    assert found.threshold == threshold
    assert_region_is_right(case, found, float(threshold))


@settings(max_examples=150, deadline=None)
@given(cases(["i1", "u1", "i2", "u2", "?"]))
def test_otsu_splits_short_integers_exactly(case: Case) -> None:
    values = [int(v) for v in case.array.ravel()]
    found = case.find("otsu")
    if len(set(values)) == 1:
        threshold = None if values[0] == case.background else values[0]
    else:
        threshold = reference.otsu_split(values) + (case.polarity == "bright")
    if threshold is None:
        assert math.isnan(found.threshold)
    else:
        assert found.threshold == threshold
    assert_region_is_right(case, found, threshold)


@settings(max_examples=150, deadline=None)
@given(cases(["i4", "u4", "i8", "u8", "f2", "f4", "f8"]))
def test_otsu_of_wide_types_splits_4096_bins(case: Case) -> None:
    values = case.array.astype("f8").ravel()
    values = values[np.isfinite(values)]
    found = case.find("otsu")
    if values.size == 0:
        assert math.isnan(found.threshold)
        return
    low, high = float(values.min()), float(values.max())
    if low == high:
        # 64-bit integers that are one value as float64 may be several.
        is_background = low == case.background and not is_rounded(case, low)
        expected = math.nan if is_background else stepped_back(case, low)
        assert found.threshold == pytest.approx(expected, rel=0, abs=0, nan_ok=True)
        return
    bins = np.minimum((values - low) / (high - low) * 4096, 4095).astype(int)
    split = reference.otsu_split(bins.tolist())
    centre = low + (high - low) * ((split + 0.5) / 4096)
    if case.polarity == "bright":
        above = math.nextafter(centre, math.inf)
        centre = above if case.array.dtype.kind == "f" else math.floor(centre) + 1.0
    assert found.threshold == stepped_back(case, centre)
    assert_region_is_right(case, found, found.threshold)


def is_rounded(case: Case, threshold: float) -> bool:
    """Whether float64 cannot tell the integers around a threshold apart."""
    return case.array.dtype.kind != "f" and abs(threshold) >= 2**53


def stepped_back(case: Case, threshold: float) -> float:
    """The next float64 on the side of what is no tissue, of a threshold that was rounded."""
    outside = -math.inf if case.polarity == "bright" else math.inf
    return math.nextafter(threshold, outside) if is_rounded(case, threshold) else threshold


OPAQUE_DTYPES = ["<M8[ns]", ">m8[s]", "S3", "S11", "<U1", ">U2", "<c8", ">c8", ">c16", "V5", "V20"]


@st.composite
def opaque_cases(draw: st.DrawFn) -> tuple[reference.Array, int, tuple[int, ...]]:
    """Arrays of every kind with one repeated element as the background."""
    dtype = np.dtype(
        draw(st.sampled_from(OPAQUE_DTYPES + [f"{o}{d}" for o in "<>" for d in NUMBER_DTYPES]))
    )
    ndim = draw(st.integers(1, 5))
    shape = draw(st.tuples(*[st.integers(1, [600, 30, 13, 8, 5][ndim - 1])] * ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    raw = np.zeros((*shape, dtype.itemsize), np.uint8)
    places = rng.random(shape) < draw(st.sampled_from([0.0, 0.005, 0.1, 1.0]))
    raw[places, draw(st.integers(0, dtype.itemsize - 1))] = 1
    if draw(st.booleans()):
        raw = np.asfortranarray(raw.T).T
        raw = np.ascontiguousarray(raw.transpose(*range(ndim - 1, -1, -1), ndim))
        array = raw.view(dtype)[..., 0].T
    else:
        array = raw.view(dtype)[..., 0]
    axes = draw(st.lists(st.integers(0, ndim - 1), min_size=1, max_size=3, unique=True))
    return array, 0, tuple(sorted(axes))


@settings(max_examples=300, deadline=None)
@given(opaque_cases())
def test_every_differing_element_of_any_kind_is_kept(
    case: tuple[reference.Array, int, tuple[int, ...]],
) -> None:
    array, background, axes = case
    found = find_region(array, threshold=None, background=background, axes=axes)
    assert found.box == reference.differing_box(array, bytes(array.dtype.itemsize), axes)
    assert math.isnan(found.threshold)
    assert (found.miss_rate, found.n_tissue, found.n_missed) == (0.0, 0, 0)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_number_that_differs_from_a_background_is_kept(case: Case) -> None:
    background = np.array(case.background, case.array.dtype).tobytes()
    found = case.find(None)
    assert found.box == reference.differing_box(case.array, background, case.axes)


@pytest.mark.parametrize("value", [math.nan, -0.0, math.inf, 5e-324])
def test_lossless_keeps_what_only_differs_bitwise(value: float) -> None:
    array = np.zeros((9, 8, 7))
    array[3, 4, 5] = value
    assert find_region(array, threshold=None).box == ((3, 4), (4, 5), (5, 6))


@pytest.mark.parametrize("max_miss_rate", [0.0, 0.002, 0.5])
def test_a_single_bright_voxel_survives(max_miss_rate: float) -> None:
    array = np.zeros((20, 21, 22), "i2")
    array[4, 5, 6] = 100
    found = find_region(array, max_miss_rate=max_miss_rate)
    assert found.box == ((4, 5), (5, 6), (6, 7))
    assert found.n_missed == 0


def test_a_speck_outside_is_missed_when_that_is_allowed_and_kept_when_not() -> None:
    array = np.zeros((40, 40, 40), "u2")
    array[15:25, 15:25, 15:25] = 100
    array[0, 1, 2] = 100
    loose = find_region(array, padding=2, threshold="mean")
    assert loose.box == ((13, 27),) * 3
    assert (loose.n_missed, loose.n_tissue) == (1, 1001)
    strict = find_region(array, padding=2, max_miss_rate=0, threshold="mean")
    assert strict.box == ((0, 27), (1, 27), (2, 27))
    assert strict.n_missed == 0


@pytest.mark.parametrize("dtype", NUMBER_DTYPES)
@pytest.mark.parametrize("rule", ["mean", "otsu", 0])
def test_a_constant_array_is_tissue_unless_it_is_background(dtype: str, rule: Any) -> None:
    array = np.ones((5, 6, 7), dtype)
    assert find_region(array, threshold=rule).box == ((0, 5), (0, 6), (0, 7))
    if rule != 0:
        assert find_region(array, threshold=rule, background=1).box == ((0, 0),) * 3


def test_sums_of_64_bit_integers_do_not_overflow() -> None:
    high = np.iinfo("i8").max
    array = np.full((40000,), high, "i8")
    array[::2] = high - 4
    assert find_region(array, max_miss_rate=0, threshold="mean").box == ((1, 40000),)
    array[:] = np.iinfo("i8").min
    array[10:30] = 7
    assert find_region(array, background=7, threshold="mean").box == ((0, 40000),)
    unsigned = np.full((40000,), np.iinfo("u8").max, "u8")
    unsigned[5:40] -= np.uint64(1)
    found = find_region(unsigned, polarity="dark", padding=0, threshold="mean")
    assert found.box == ((5, 40),)


def test_missing_values_do_not_move_the_mean_and_are_content() -> None:
    array = np.zeros((10, 10, 10), "f4")
    array[3:7, 3:7, 3:7] = 10
    array[5, 5, 5] = np.inf
    assert find_region(array, padding=0, threshold="mean").box == ((3, 7),) * 3
    array[1, 4, 4] = -np.inf
    array[8, 4, 9] = np.nan
    for roi in ("box", "mask"):
        found = find_region(array, padding=0, threshold="mean", roi=roi)
        assert all(low <= 3 and high >= 7 for low, high in found.box)
        assert found.box[0][0] <= 1
        assert (found.box[0][1], found.box[2][1]) >= (9, 10)
    found = find_region(array, padding=0, threshold="mean")
    assert found.threshold == 10.0
    assert found.box == ((1, 9), (3, 7), (3, 10))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_rounding_never_carries_the_mean_beyond_the_tissue(dtype: str, polarity: str) -> None:
    for value in np.random.default_rng(8).uniform(0.1, 0.9, 20):
        array = np.zeros((20, 21, 22), dtype)
        array[3:16, 3:16, 3:16] = value if polarity == "bright" else -value
        found = find_region(array, padding=0, polarity=polarity)
        assert found.box == ((3, 16),) * 3


def test_finite_values_near_the_end_of_float64_have_a_mean() -> None:
    array = np.zeros((9, 9, 9))
    array[2:7, 2:7, 2:7] = 1.5e308
    found = find_region(array, padding=0, threshold="mean")
    assert found.box == ((2, 7),) * 3
    assert found.threshold == pytest.approx(1.5e308, rel=1e-12)


def test_float_sum_follows_the_documented_order() -> None:
    rng = np.random.default_rng(5)
    array = rng.normal(size=(3, 5, 20011)) * 10.0 ** rng.integers(-8, 8, (3, 5, 20011))
    array[rng.random(array.shape) < 0.1] = 0
    total, count = 0.0, 0
    for plane in array:
        plane_sum = 0.0
        for row in plane:
            for start in range(0, row.size, 16384):
                lanes = [0.0] * 8
                for i, value in enumerate(row[start : start + 16384].tolist()):
                    lanes[i % 8] += value
                    count += value != 0
                plane_sum += sum(lanes[1:], lanes[0])
        total += plane_sum
    assert find_region(array, threshold="mean").threshold == total / count


@pytest.mark.parametrize("shape", [(0,), (3, 0, 4), (2, 3, 0, 1)])
def test_an_array_without_elements_has_an_empty_region(shape: tuple[int, ...]) -> None:
    for threshold in ("mean", "otsu", 3.0, None):
        found = find_region(np.zeros(shape, "f4"), threshold=threshold)
        assert found.box == ((0, 0),) * len(shape)
        assert found.miss_rate == 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"padding": -1},
        {"max_miss_rate": -0.1},
        {"max_miss_rate": 1.5},
        {"max_miss_rate": math.nan},
        {"threshold": math.nan},
        {"axes": ()},
        {"axes": (0, 1, 2, 3)},
        {"axes": (5,)},
    ],
)
def test_options_outside_their_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        find_region(np.zeros((2, 3, 4, 5), "i2"), **options)


@pytest.mark.parametrize("dtype", ["<M8[s]", "S4", "c8", "V3"])
def test_kinds_without_an_order_are_refused_a_threshold(dtype: str) -> None:
    with pytest.raises(InvalidArgument, match="threshold=None"):
        find_region(np.zeros((4, 4), dtype), threshold="mean")


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
def test_leading_axes_share_the_union_of_their_regions(dtype: str) -> None:
    array = np.zeros((2, 20, 20, 20), dtype)
    array[0, 3:7, 3:7, 3:7] = 50
    array[1, 10:15, 4:8, 11:16] = 50
    found = find_region(array, padding=0)
    assert found.box == ((0, 2), (3, 15), (3, 8), (3, 16))
    moved = find_region(np.moveaxis(array, 0, -1).copy(), padding=0, axes=(0, 1, 2))
    assert moved.box == ((3, 15), (3, 8), (3, 16), (0, 2))


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("shape", [(40, 300, 301), (3, 17, 260, 333)])
@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_the_number_of_threads_changes_nothing(
    dtype: str, shape: tuple[int, ...], polarity: str
) -> None:
    rng = np.random.default_rng(3)
    array = (rng.standard_exponential(shape) ** 3).clip(0, 90).astype(dtype)
    inside = tuple(slice(size // 3, 2 * size // 3) for size in shape[-3:])
    array[(..., *inside)] += 20
    array[..., ::9, ::9, ::9] = 90  # lone voxels: groups would stretch the box
    array = array if polarity == "bright" else (120 - array).astype(dtype)
    threshold = 88 if polarity == "bright" else 32
    options = {"polarity": polarity, "max_miss_rate": 0.5, "padding": 0, "threshold": threshold}
    alone = find_region(array, threads=1, **options)
    assert alone.n_tissue > alone.n_missed > 0
    for threads in (2, 3, 7):
        assert find_region(array, threads=threads, **options) == alone
