"""The mask against a slow reference, voxel for voxel, and what is promised of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_mask
import reference_stream
from arrays import phantom, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import tissue_mask
from reference_mask import opened

import medroi
from medroi import MedROI, roi
from medroi.errors import CorruptStream

NUMBER_DTYPES = ["u1", "i2", "u2", "i4", "f2", "f4", "f8"]


def bodies(shape: tuple[int, ...], seed: int, n_bodies: int, n_specks: int) -> np.ndarray:
    """Noisy air, boxes of tissue anywhere, the border included, and lone bright voxels."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 8, shape)
    for _ in range(n_bodies):
        start = [int(rng.integers(0, n)) for n in shape]
        stop = [s + int(rng.integers(1, n // 2 + 2)) for s, n in zip(start, shape, strict=True)]
        where = tuple(slice(*bounds) for bounds in zip(start, stop, strict=True))
        values[where] = rng.integers(50, 100, values[where].shape)
    for _ in range(n_specks):
        values[tuple(int(rng.integers(0, n)) for n in shape)] = 90
    return values


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], dict[str, Any]]:
    """Arrays of 2 to 4 axes, any memory order, with options."""
    ndim = draw(st.integers(2, 4))
    largest = {2: 150, 3: 40, 4: 20}[ndim]
    shape = tuple(draw(st.lists(st.integers(2, largest), min_size=ndim, max_size=ndim)))
    values = bodies(
        shape, draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 4)), draw(st.integers(0, 20))
    )
    dtype = np.dtype(draw(st.sampled_from(NUMBER_DTYPES)))
    array = values.astype(dtype.newbyteorder(draw(st.sampled_from("<>"))))
    dark = draw(st.booleans())
    if dark:
        array = (np.array(120, dtype) - array).astype(array.dtype)
    n_axes = min(draw(st.sampled_from([2, 3])), ndim)
    axes = tuple(sorted(draw(st.permutations(range(ndim)))[:n_axes]))
    options = {
        "roi": "mask",
        "threshold": 70 if dark else 50,
        "polarity": "dark" if dark else "bright",
        "background": draw(st.sampled_from([0, 120 if dark else 3])),
        "max_miss_rate": draw(st.sampled_from([0.0, 0.002, 0.3])),
        "axes": axes,
        "components": draw(st.sampled_from(["all", "largest"])),
    }
    return (np.asfortranarray(array) if draw(st.booleans()) else array), axes, options


def expand(mask: np.ndarray, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """A mask of the volume axes over the whole array."""
    kept = [n if axis in axes else 1 for axis, n in enumerate(shape)]
    return np.broadcast_to(mask.reshape(kept), shape)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_the_mask_is_the_reference_voxel_for_voxel(
    case: tuple[np.ndarray, tuple[int, ...], dict[str, Any]],
) -> None:
    array, axes, options = case
    tissue = tissue_mask(array, options["threshold"], options["polarity"])
    largest = options["components"] == "largest"
    expected = reference_mask.expected_mask(tissue, axes, options["max_miss_rate"], largest)
    sizes = [size for size, _ in expected.left_out]
    stream = MedROI("raw", **options).encode(array)
    info, decoded = medroi.inspect(stream), MedROI().decode(stream)
    if sum(array.shape[axis] > 1 for axis in axes) < 2:
        assert info.roi == "box"
        return
    mask = expand(expected.mask, array.shape, axes)
    background = np.array(options["background"]).astype(array.dtype)
    if expected.has_one_largest or not largest:
        assert np.array_equal(decoded, np.where(mask, array, background))
        assert info.miss_rate == expected.n_missed / max(expected.n_counted, 1)
        assert info.unopened_miss_rate == info.miss_rate
        if not largest:
            assert info.miss_rate == (tissue & ~mask).sum() / max(tissue.sum(), 1)
        assert info.n_left_out == len(sizes)
        assert sorted(left.n_voxels for left in info.left_out) == sorted(sizes)[-16:]
    assert info.miss_rate <= options["max_miss_rate"]


def test_a_tie_of_the_two_largest_components_is_seen_by_the_reference() -> None:
    tissue = np.zeros((16, 150, 150), bool)
    tissue[:, 90:130, 20:60] = True
    tissue[:, 20:60, 90:130] = True
    assert not reference_mask.expected_mask(tissue, (1, 2), 0.0, True).has_one_largest
    tissue[:, 10:20, 90:130] = True
    assert reference_mask.expected_mask(tissue, (1, 2), 0.0, True).has_one_largest


def test_a_mask_that_holds_all_of_its_box_is_a_box() -> None:
    array = np.random.default_rng(5).integers(1, 8, (24, 24, 24)).astype("u1")
    array[4:20, 6:18, 8:22] += 90
    info = medroi.inspect(MedROI("raw", roi="mask", threshold=50).encode(array))
    assert info.roi == "mask"  # the margin rounds its edges off
    array[...] += 90
    info = medroi.inspect(MedROI("raw", roi="mask", threshold=50).encode(array))
    assert (info.roi, info.box) == ("box", ((0, 24),) * 3)


@pytest.mark.parametrize("size", [3, 40])
def test_a_mask_is_never_exchanged_for_its_bytes(size: int) -> None:
    """Where little is cleared, the mask costs more than it saves, and is written all the same."""
    array = np.zeros((48, 48, 48), "i2")
    array[4:44, 4:44, 4 : 4 + size] = 100
    array[40, 40, 40] = 7
    info = medroi.inspect(MedROI("raw", roi="mask", threshold=50).encode(array))
    assert (info.roi, info.mask_nbytes > 0) == ("mask", True)


def test_a_noisy_head_becomes_a_mask_that_loses_no_tissue() -> None:
    head = phantom((40, 48, 44))
    stream = MedROI("zstd", roi="mask").encode(head)
    info, decoded = medroi.inspect(stream), MedROI().decode(stream)
    tissue = opened(head >= info.threshold, (0, 1, 2))
    assert info.roi == "mask"
    assert info.mask_nbytes > 0
    assert same_bits(decoded[tissue], head[tissue])
    assert len(stream) < 0.75 * len(MedROI("zstd").encode(head))


def test_inside_the_mask_every_voxel_is_untouched_and_outside_it_is_background() -> None:
    head = phantom((40, 48, 44))
    stream = MedROI("raw", roi="mask", background=-1).encode(head)
    decoded = MedROI().decode(stream)
    outside = decoded == -1
    assert 0.3 < outside.mean() < 0.9
    assert np.array_equal(decoded[~outside], head[~outside])


def test_air_between_two_bodies_stays_out() -> None:
    values = np.random.default_rng(1).integers(0, 6, (48, 64, 96)).astype("i2")
    values[4:44, 12:52, 8:32] += 100
    values[4:44, 12:52, 64:88] += 100
    stream = MedROI("raw", roi="mask", background=-1, threshold="noise").encode(values)
    assert (MedROI().decode(stream)[:, :, 40:56] == -1).all()


@pytest.mark.parametrize("shape", [(60, 70), (1, 60, 70), (3, 60, 70), (60, 2, 70), (5, 60, 70, 1)])
def test_images_and_thin_volumes_have_masks_too(shape: tuple[int, ...]) -> None:
    spans = (np.linspace(-1.5, 1.5, n) if n > 9 else [0.0] * n for n in shape)
    grid = np.meshgrid(*spans, indexing="ij")
    inside = (sum(axis**2 for axis in grid) < 1).reshape(shape)
    image = np.random.default_rng(3).integers(1, 8, shape) + inside * 80
    stream = MedROI("raw", roi="mask", threshold=40, axes=range(len(shape))[-3:]).encode(image)
    decoded = MedROI().decode(stream)
    assert medroi.inspect(stream).roi == "mask"
    assert np.array_equal(decoded[inside], image[inside])
    assert (decoded == 0).mean() > 0.2


@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
def test_a_region_search_gives_the_same_side_data_to_every_binding(inner: str) -> None:
    head = phantom((40, 48, 44))
    region = roi.find_region(head, roi="mask")
    assert region.side in MedROI(inner, roi="mask").encode(head)


def test_a_label_does_not_stretch_the_box_and_is_reported() -> None:
    image = np.zeros((300, 200), "u2")
    image[40:260, :90] = 900
    image[10:30, 170:190] = 4000
    whole = medroi.inspect(MedROI("raw", threshold="mean").encode(image))
    codec = MedROI("raw", components="largest", threshold="noise")
    alone = medroi.inspect(codec.encode(image))
    assert whole.box[1][1] > 185
    assert alone.box == ((37, 263), (0, 93))
    # the opening rounds its corners off
    assert (alone.n_left_out, alone.n_left_out_voxels) == (1, 396)
    assert alone.left_out[0].box == ((8, 32), (168, 192))
    assert alone.miss_rate == 0
    mask_codec = MedROI("raw", components="largest", roi="mask", threshold="noise")
    mask = medroi.inspect(mask_codec.encode(image))
    assert (mask.roi, mask.left_out) == ("mask", alone.left_out)
    assert (mask.n_dropped_signal, mask.largest_dropped_group.n_voxels) == (400, 400)


@pytest.mark.parametrize("value", [0, 7])
def test_constant_arrays(value: int) -> None:
    array = np.full((9, 10, 11), value, "i2")
    for options in ({"roi": "mask"}, {"threshold": "noise"}, {"components": "largest"}):
        assert same_bits(MedROI().decode(MedROI("raw", **options).encode(array)), array)


@pytest.mark.parametrize("threshold", ["auto", "mean", "noise", 50])
@pytest.mark.parametrize("kind", ["box", "mask"])
def test_one_bright_voxel_is_kept(kind: str, threshold: Any) -> None:
    array = np.zeros((20, 20, 20), "i2")
    array[9, 9, 9] = 100
    stream = MedROI("raw", roi=kind, threshold=threshold).encode(array)
    assert same_bits(MedROI().decode(stream), array)
    assert medroi.inspect(stream).miss_rate == 0


def lost(volume: np.ndarray, **options: Any) -> tuple[np.ndarray, medroi.codec.StreamInfo]:
    """Where a fitted mask changes a volume, and what its stream says."""
    codec = MedROI.fit(volume, roi="mask", background="auto", **options)
    stream = codec.encode(volume)
    return codec.decode(stream) != volume, medroi.inspect(stream)


@pytest.mark.parametrize("n_slices", [1, 2, 3])
@pytest.mark.parametrize("side", [4, 8, 26])
def test_a_nodule_of_few_thick_slices_is_kept(n_slices: int, side: int) -> None:
    volume = np.abs(np.random.default_rng(1).normal(0, 4, (128, 128, 25)))
    volume[20:90, 30:100, 3:22] += 120
    nodule = (slice(100, 100 + side), slice(52, 52 + side), slice(10, 10 + n_slices))
    volume[nodule] += 200
    volume = np.asfortranarray(volume.clip(0, 255).astype(np.uint8))
    changed, info = lost(volume)
    assert not changed[nodule].any()
    assert info.roi == "mask"
    tissue = volume >= info.threshold
    assert info.miss_rate == (changed & tissue).sum() / tissue.sum() <= 0.002


def test_a_body_that_grows_into_the_last_slice_keeps_its_skin() -> None:
    y, x = np.indices((96, 96)) - 48.0
    volume = np.abs(np.random.default_rng(0).normal(0, 4, (96, 96, 11)))
    for z in range(11):
        volume[..., z] += np.where(np.hypot(x, y) < 8 + 4 * z, 120, 0)
    volume = np.asfortranarray(volume.astype(np.uint8))
    changed, info = lost(volume)
    assert not (changed & (volume > 100)).any()
    tissue = volume >= info.threshold
    assert info.miss_rate == (changed & tissue).sum() / tissue.sum() <= 0.002


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_nan_and_infinity_are_no_trouble(dtype: str) -> None:
    array = phantom((24, 24, 24)).astype(dtype)
    array[3, 3, 3], array[12, 12, 12], array[12, 12, 13] = np.inf, np.nan, -np.inf
    for background in (0, float("nan")):
        stream = MedROI("raw", roi="mask", background=background).encode(array)
        decoded = MedROI().decode(stream)
        assert same_bits(decoded[8:16, 8:16, 8:16], array[8:16, 8:16, 8:16])
    only = np.full((6, 7, 8), np.nan, dtype)
    assert MedROI().decode(MedROI("raw", roi="mask").encode(only)).shape == only.shape


@pytest.mark.parametrize("threshold", [1e9, -1e9, float("inf"), float("-inf")])
def test_thresholds_outside_the_data(threshold: float) -> None:
    array = phantom((16, 16, 16))
    decoded = MedROI().decode(MedROI("raw", roi="mask", threshold=threshold).encode(array))
    assert same_bits(decoded, array if threshold < 0 else np.zeros_like(array))


def test_noise_alone_is_kept_whole() -> None:
    array = np.random.default_rng(0).rayleigh(10, (40, 40, 40)).astype("i2") + np.int16(1)
    assert same_bits(MedROI().decode(MedROI("raw", roi="mask").encode(array)), array)


def test_without_a_threshold_nothing_is_lost() -> None:
    array = phantom((20, 24, 22))
    stream = MedROI.lossless("raw", roi="mask").encode(array)
    assert same_bits(MedROI().decode(stream), array)


def test_partial_reads_see_the_mask() -> None:
    from medroi.codec import decode_selection

    head = np.asfortranarray(phantom((40, 48, 44)))
    stream = MedROI("zstd", roi="mask", slice_axis=1).encode(head)
    bounds = ((3, 30), (0, 20), (7, 8))
    reading = decode_selection(bounds)
    ranges = next(reading)
    try:
        while True:
            ranges = reading.send([stream[start:stop] for start, stop in ranges])
    except StopIteration as done:
        part = done.value
    assert np.array_equal(part, MedROI().decode(stream)[tuple(slice(*b) for b in bounds)])


def test_the_array_that_is_encoded_is_not_written() -> None:
    head = phantom((40, 48, 44))
    head.flags.writeable = False
    before = head.copy()
    MedROI("raw", roi="mask").encode(head)
    assert np.array_equal(head, before)


@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_codecs_run_from_python_see_the_same_voxels(inner: str, order: str) -> None:
    from test_inner import hosted

    from medroi.inner import make

    head = np.array(phantom((40, 48, 44)), order=order)
    written = MedROI(inner, roi="mask").encode(head)
    options = {"threshold": "auto", "roi": "mask"}
    assert hosted(head, make(inner), None, **options) == written


def test_the_reader_written_from_the_format_reads_masks() -> None:
    for path in sorted((Path(__file__).parent / "golden").glob("v1-*hull*.medroi")):
        stream = path.read_bytes()
        assert same_bits(reference_stream.read(stream), MedROI().decode(stream))


@settings(max_examples=25, deadline=None)
@given(cases())
def test_every_prefix_and_every_flipped_byte_of_a_mask_is_refused(
    case: tuple[np.ndarray, tuple[int, ...], dict[str, Any]],
) -> None:
    array, _, options = case
    stream = MedROI("raw", **options).encode(array)
    n_side = int.from_bytes(stream[96:100], "little")
    for end in range(112, 112 + n_side, 7):
        with pytest.raises(CorruptStream):
            MedROI().decode(stream[:end])
        changed = bytearray(stream)
        changed[end] ^= 0x10
        with pytest.raises(CorruptStream):
            MedROI().decode(bytes(changed))


@pytest.mark.parametrize("dtype", ["<i2", "<f4"])
def test_the_largest_body_keeps_what_is_connected_to_it(dtype: str) -> None:
    """An opening takes a sheet and the rim of three slices; a second body is left out."""
    scan = np.random.default_rng(3).rayleigh(5, (9, 90, 90))
    y, x = np.indices((90, 90)) - 40
    for z, radius in ((3, 12), (4, 30), (5, 28)):
        scan[z][np.hypot(y, x) < radius] = 300
    scan[4, 40, 70:86] = 120
    scan[2:7, 80:88, 4:12] = 250
    scan = scan.round().astype(dtype)
    codec = MedROI("raw", roi="mask", components="largest", threshold="noise")
    stream = codec.encode(scan)
    changed = codec.decode(stream) != scan
    assert not (changed & (scan >= 100))[:, :72].any()
    assert changed[2:7, 80:88, 4:12].all()
    info = medroi.inspect(stream)
    assert info.left_out[0].box == ((0, 8), (80, 88), (4, 12))
    assert info.largest_dropped_group.n_voxels == 320
