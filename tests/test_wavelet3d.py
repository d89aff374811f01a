"""wavelet3d keeps its targets, on every build, and survives any bytes."""

from __future__ import annotations

from ctypes import CDLL

import needs
import numpy as np
import pytest
import reference_wavelet3d
from arrays import phantom
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_build import Coder
from scans import part, scan
from wavelets import DTYPES, check_builds, check_reference, psnr, through

from medroi import MedROI, errors, inspect
from medroi.inner.base import Block
from medroi.inner.predict3d import Predict3D
from medroi.inner.wavelet3d import Wavelet3D


@pytest.mark.parametrize("dtype", ["<i2", ">u2", "<f4", "<f8"])
@pytest.mark.parametrize("target", [35.0, 42.0, 50.0])
def test_psnr_is_reached_within_a_fifth_of_a_decibel(dtype: str, target: float) -> None:
    array = part(dtype, (30, 40, 42))
    assert abs(psnr(array, through(array, psnr=target)[1]) - target) < 0.2


@pytest.mark.parametrize("rate", [8.0, 20.0])
def test_rate_is_reached_within_one_percent(rate: float) -> None:
    array = part("<i2", (40, 60, 61))
    reached = array.nbytes / len(through(array, rate=rate)[0])
    assert abs(reached / rate - 1) < 0.01


@pytest.mark.parametrize("target", [34.0, 41.0, 48.0, 55.0])
def test_psnr_is_reached_where_the_last_step_is_not_tried(target: float) -> None:
    array = part("<i2", (48, 64, 80))  # large enough for that
    assert abs(psnr(array, through(array, psnr=target)[1]) - target) < 0.2


@pytest.mark.parametrize("rate", [4.0, 5.0, 9.0, 14.0])
def test_rate_is_reached_where_the_last_step_is_not_tried(rate: float) -> None:
    array = part("<i2", (64, 80, 96), noise=8.0)
    codec = MedROI({"id": "wavelet3d", "rate": rate}, threshold=None, background=9999)
    assert abs(array.nbytes / inspect(codec.encode(array)).payload_nbytes / rate - 1) < 0.01


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 12), min_size=1, max_size=5).map(tuple),
    bound=st.floats(0.01, 300),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_no_voxel_is_off_by_more_than_max_error(
    dtype: str, shape: tuple[int, ...], bound: float, seed: int
) -> None:
    array = part(dtype, shape, seed)
    decoded = through(array, max_error=bound)[1]
    assert np.all(np.abs(decoded.astype(np.float64) - array.astype(np.float64)) <= bound)


def lossless_nbytes(array: np.ndarray) -> int:
    return len(Predict3D().encode(array))


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 14), min_size=1, max_size=4).map(tuple),
    target=st.sampled_from(["step", "max_error"]),
    size=st.floats(0.3, 40),
    stride=st.sampled_from([1, 7, 50]),
)
@settings(max_examples=100, deadline=None)
def test_no_part_is_larger_than_its_lossless_code(
    dtype: str, shape: tuple[int, ...], target: str, size: float, stride: int
) -> None:
    array = (part(dtype, shape) // stride * stride).astype(dtype)
    assert len(through(array, **{target: size})[0]) <= 1 + lossless_nbytes(array)


def test_a_target_that_costs_more_than_losing_nothing_loses_nothing() -> None:
    array = part("<i2", (20, 30, 31))
    for target in ({"psnr": 75.0}, {"rate": 1.1}, {"step": 0.4}):
        coded, decoded = through(array, **target)
        assert np.array_equal(decoded, array)
        assert len(coded) <= 1 + lossless_nbytes(array)


def test_a_large_part_of_mostly_one_value_is_tried_in_the_room_of_its_lossy_code() -> None:
    array = np.zeros((80, 160, 150), "<i2")
    array[20:60, 50:110, 50:100] = np.rint(
        500 + np.random.default_rng(2).normal(0, 40, (40, 60, 50))
    )
    for step in (300.0, 900.0):
        coded, decoded = through(array, step=step)
        assert len(coded) < array.nbytes // 80
        assert np.abs(decoded.astype(int) - array).mean() < step


@pytest.mark.parametrize("dtype", ["<i2", ">f4"])
@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_noise_is_reached_as_a_share_of_the_noise_that_was_added(dtype: str, share: float) -> None:
    sigma, shape = 11.0, (24, 64, 64)
    smooth = 300 * np.sin(np.indices(shape) / 9.0).sum(axis=0)
    noisy = smooth + np.random.default_rng(12).normal(0, sigma, shape)
    array = (np.rint(noisy) if dtype == "<i2" else noisy).astype(dtype)
    decoded = through(array, noise=share)[1]
    rms = np.sqrt(np.mean((decoded.astype(float) - array.astype(float)) ** 2))
    assert abs(rms / sigma - share) < 0.04 * share


def test_air_of_one_value_has_no_part_in_the_noise() -> None:
    array = np.zeros((24, 96, 96), "<i2")
    array[:, 20:60, 20:60] = np.rint(500 + np.random.default_rng(2).normal(0, 9, (24, 40, 40)))
    decoded = through(array, noise=0.5)[1]
    squares = float(np.sum((decoded.astype(float) - array) ** 2))
    assert abs(np.sqrt(squares / (24 * 40 * 40)) / 9 - 0.5) < 0.03


@pytest.mark.parametrize("dtype", ["<i2", "|u1", "<f4"])
def test_data_without_noise_are_kept_exactly(dtype: str) -> None:
    ramp = np.add.outer(np.arange(9), np.add.outer(np.arange(20), np.arange(21))).astype(dtype)
    labels = (ramp // 7 * 7).astype(dtype)
    for array in (ramp, labels):
        coded, decoded = through(array, noise=0.5)
        assert decoded.tobytes() == array.tobytes()
        assert len(coded) <= 1 + lossless_nbytes(array)


def rounded_slowly(array: np.ndarray, bound: int) -> np.ndarray:
    """The lattice that begins at the least value, from its definition."""
    low, unit = int(array.min()), 2 * bound + 1
    lattice = low + (array.astype(np.int64) - low + bound) // unit * unit
    return np.minimum(lattice, array.max()).astype(array.dtype)


@pytest.mark.parametrize("bound", [1, 2, 4])
def test_small_bounds_take_no_more_than_a_lattice_of_values(bound: int) -> None:
    noise = np.random.default_rng(8).normal(0, 9, (24, 40, 44))
    array = np.rint(scan(noise.shape) * 0.5 + noise).astype("<i2")
    coded, decoded = through(array, max_error=bound)
    assert np.max(np.abs(decoded - array)) <= bound
    assert len(coded) <= 1 + lossless_nbytes(rounded_slowly(array, bound))
    assert len(coded) < 0.9 * lossless_nbytes(array)


def test_a_bound_takes_no_more_bytes_where_there_is_time() -> None:
    array = part("<i2", (20, 48, 50))
    sizes = {}
    for speed in ("fast", "small"):
        coded, decoded = through(array, max_error=2, speed=speed)
        assert np.abs(decoded.astype(int) - array).max() <= 2
        sizes[speed] = len(coded)
    assert sizes["small"] <= sizes["fast"]
    assert sizes["fast"] <= 1 + lossless_nbytes(rounded_slowly(array, 2))


def test_values_that_are_sparse_share_fewer_than_a_lattice_has() -> None:
    rng = np.random.default_rng(6)
    values = np.sort(rng.choice(20_000, 700, replace=False))
    array = values[np.minimum(part("<i4", (24, 40, 44)), 699)].astype("<i2")
    coded, decoded = through(array, max_error=30.0)
    assert np.max(np.abs(decoded.astype(int) - array)) <= 30
    assert len(np.unique(decoded)) < len(np.unique(rounded_slowly(array, 30)))
    assert len(coded) < lossless_nbytes(rounded_slowly(array, 30))


@pytest.mark.parametrize("dtype", ["<i2", "|u1", "<f4"])
def test_bounds_below_the_grid_of_values_lose_nothing(dtype: str) -> None:
    array = np.rint(part("<f4", (12, 20, 21))).astype(dtype)
    coded, decoded = through(array, max_error=0.4)
    assert decoded.tobytes() == array.tobytes()
    assert len(coded) <= 1 + lossless_nbytes(array)


@pytest.mark.parametrize("bound", [0.0, 1.0, 1000.0, 1e6])
def test_the_whole_range_of_int32_keeps_its_bound(bound: float) -> None:
    array = (scan((9, 10, 11)) * 1e7 - 2e9).astype("<i4")
    array[0, 0, :2] = [-(2**31), 2**31 - 1]
    decoded = through(array, max_error=bound)[1]
    assert np.max(np.abs(decoded.astype(np.int64) - array)) <= bound


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 10), min_size=1, max_size=5).map(tuple),
    step=st.floats(0.5, 100),
)
@settings(max_examples=100, deadline=None)
def test_the_reference_decodes_the_same_bits(
    dtype: str, shape: tuple[int, ...], step: float
) -> None:
    array = part(dtype, shape)
    for target in ({"step": step}, {"max_error": step}):
        check_reference(array, **target)


def test_all_builds_write_and_read_the_same_bytes(coder_builds: list[CDLL]) -> None:
    made = [Coder(library, "wavelet3d") for library in coder_builds]
    for array in (part("<i2", (17, 33, 40)), part("<f4", (12, 13, 14)), part("|u1", (50, 60))):
        for params in ([1.0, 45.0], [2.0, 5.0], [3.0, 1.0], [4.0, 2.5]):
            check_builds(made, array, params)


@pytest.mark.parametrize("target", ["step", "max_error"])
def test_every_prefix_and_every_extra_byte_is_refused(target: str) -> None:
    array = part("<i2", (7, 11, 13))
    coded, out = through(array, **{target: 3.0})
    for length in range(len(coded)):
        with pytest.raises(errors.CorruptStream):
            Wavelet3D.decode(memoryview(coded[:length]), out)
    with pytest.raises(errors.CorruptStream):
        Wavelet3D.decode(memoryview(coded + b"\0"), out)


@given(data=st.data(), target=st.sampled_from(["step", "max_error"]))
@settings(max_examples=300, deadline=None)
def test_damaged_parts_are_survived(data: st.DataObject, target: str) -> None:
    array = part("<i2", (9, 8, 10))
    coded, out = through(array, **{target: 3.0})
    damaged = bytearray(coded)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    try:
        Wavelet3D.decode(memoryview(bytes(damaged)), out)
    except errors.CorruptStream:
        return
    assert np.all((out >= -(2**15)) & (out < 2**15))


@given(coded=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_survived(coded: bytes) -> None:
    out = np.empty((3, 4, 5), "|u1")
    try:
        Wavelet3D.decode(memoryview(coded), out)
    except errors.CorruptStream:
        return
    assert out.tobytes() == reference_wavelet3d.decode(coded, out.shape, "|u1").tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_the_alternative(value: float) -> None:
    array = part("<f4", (5, 6, 7))
    array[1, 2, 3] = value
    with pytest.raises(errors.InvalidArgument, match=r"NaN or infinite.*predict3d"):
        through(array, psnr=40.0)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 1), (2, 1, 2), (1, 1, 64), (3,)])
def test_thin_shapes_work(shape: tuple[int, ...]) -> None:
    array = part("<i2", shape)
    decoded = through(array, max_error=2.0)[1]
    assert np.max(np.abs(decoded - array)) <= 2


def test_constant_volumes_come_back_exactly_in_a_few_bytes() -> None:
    array = np.full((20, 30, 40), -1024, "<i2")
    for target in ("psnr", "rate", "max_error", "step"):
        coded, decoded = through(array, **{target: 10.0})
        assert np.array_equal(decoded, array)
        assert len(coded) < 50


def test_denormal_floats_keep_their_psnr() -> None:
    array = (scan((20, 20, 20)) * 1e-42).astype("<f4")
    assert psnr(array, through(array, psnr=30.0)[1]) > 29.8


def test_values_stay_inside_the_range_of_the_data() -> None:
    array = part("<i2", (20, 30, 31))
    decoded = through(array, psnr=30.0)[1]
    assert array.min() <= decoded.min() <= decoded.max() <= array.max()


def stack(thick: bool, axis: int = 0) -> np.ndarray:
    """Smooth slices that follow each other smoothly, or have little to do with each other."""
    rng = np.random.default_rng(5)
    fields = rng.normal(0, 1, (24, 64, 64))
    for along in (1, 2) if thick else (0, 1, 2):
        wave = np.fft.rfft(fields, axis=along)
        shape = [-1 if a == along else 1 for a in range(3)]
        keep = np.exp(-np.arange(wave.shape[along]) / (2.0 if along == 0 else 5.0))
        fields = np.fft.irfft(wave * keep.reshape(shape), fields.shape[along], axis=along)
    scaled = np.rint(fields / fields.std() * 400 + rng.normal(0, 4, fields.shape))
    return np.ascontiguousarray(np.moveaxis(scaled, 0, axis)).astype("<i2")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axes_across_thick_slices_are_not_split_at_first(axis: int) -> None:
    split = 1 << (1 + axis)  # of three axes, the last three of four
    for target in ({"step": 8.0}, {"psnr": 45.0}, {"rate": 8.0}):
        assert not through(stack(True, axis), **target)[0][1] & split
        assert through(stack(False, axis), **target)[0][1] == 0b1110


@pytest.mark.parametrize("target", [{"psnr": 40.0}, {"psnr": 50.0}, {"step": 20.0}])
@pytest.mark.parametrize("thick", [True, False])
def test_bytes_hardly_depend_on_the_spacing_that_is_given(
    target: dict[str, float], thick: bool
) -> None:
    array = stack(thick)
    bare = len(through(array, **target)[0])
    for spacing_mm in ((6.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 6.0)):
        codec = Wavelet3D(spacing_mm=spacing_mm, **target)  # type: ignore[arg-type]
        assert abs(len(codec.plan(array).encode(array)) / bare - 1) < 0.03


@pytest.mark.parametrize("shape", [(24, 40, 44), (6, 24, 28, 32)], ids=str)
@pytest.mark.parametrize("speed", ["fast", "small"])
@pytest.mark.parametrize("dtype", ["<i2", ">f4"])
def test_the_edge_of_a_region_costs_a_lossy_code_little(
    dtype: str, speed: str, shape: tuple[int, ...]
) -> None:
    body = (1000 + 10 * np.indices(shape)[-1]).astype(dtype)
    body += np.random.default_rng(4).integers(-20, 21, shape).astype(dtype)
    box = np.zeros(shape, bool)
    box[..., 6:-6, 6:-6, 6:-6] = True
    inner = {"id": "wavelet3d", "speed": speed, "step": 60.0}
    whole = MedROI(inner, threshold=None, background=9999).encode(body)
    stream = MedROI(inner, roi="mask", threshold=None, padding=8).encode(np.where(box, body, 0))
    decoded = np.asarray(MedROI(inner).decode(stream))
    assert not decoded[~box].any()
    assert np.abs(decoded - body.astype(float))[box].max() < 100
    assert inspect(stream).payload_nbytes < 1.3 * inspect(whole).payload_nbytes


@pytest.mark.parametrize(
    ("inner", "dtype"),
    [
        needs.inner("wavelet3d", "<i2"),
        needs.inner("wavelet3d", "<f4"),
        needs.inner("jpeg2000", "<i2"),
    ],
)
def test_psnr_is_that_of_what_decoding_returns_inside_the_region(inner: str, dtype: str) -> None:
    rng = np.random.default_rng(3)
    volume = 1 + rng.rayleigh(8, (40, 64, 64))  # no voxel is background
    ball = np.linalg.norm(np.indices(volume.shape).T - [20, 32, 32], axis=-1).T < 16
    volume[ball] += 300 + 200 * scan(volume.shape, noise=0)[ball]
    volume = np.rint(volume).astype(dtype)
    raw = MedROI("raw", roi="mask", threshold=60.0)
    inside = np.asarray(raw.decode(raw.encode(volume))) != 0
    for target in (35.0, 42.0):
        codec = MedROI({"id": inner, "psnr": target}, roi="mask", threshold=60.0)
        decoded = np.asarray(codec.decode(codec.encode(volume)))
        assert 0 < inside.mean() < 0.6
        error = np.mean((decoded[inside].astype(float) - volume[inside]) ** 2)
        reached = 10 * np.log10(float(np.ptp(volume[inside].astype(float))) ** 2 / error)
        assert abs(reached - target) < 0.2


@pytest.mark.parametrize(
    "settings_given",
    [{}, {"psnr": 40, "rate": 10}, {"psnr": -1}, {"step": "fine"}, {"psnr": 9, "spacing_mm": (1,)}],
)
def test_bad_settings_are_refused(settings_given: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidArgument):
        Wavelet3D(**settings_given)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["|b1", "<i8", "<u8", "<c8", "|S3", "<M8[s]"])
def test_kinds_it_cannot_code_are_refused_by_name(dtype: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="predict3d"):
        Wavelet3D(psnr=40.0).check(Block((3, 4), np.dtype(dtype)))


def test_a_step_too_fine_is_refused() -> None:
    with pytest.raises(errors.InvalidArgument, match="too fine"):
        through(part("<f4", (5, 6, 7)), step=1e-6)


def test_a_stream_holds_it_with_one_step_for_all_parts() -> None:
    volume = phantom((60, 70, 80))
    codec = MedROI({"id": "wavelet3d", "psnr": 40.0}, threshold=None)
    decoded = codec.decode(codec.encode(volume))
    assert abs(psnr(volume, decoded) - 40.0) < 0.2
    assert MedROI.from_config(codec.get_config()) == codec


def test_the_affine_tells_the_spacing_of_the_voxels() -> None:
    thick = np.diag([1.0, 1.0, 8.0])
    for order, spacing_mm in (("F", (8.0, 1.0, 1.0)), ("C", (1.0, 1.0, 8.0))):
        array = np.array(np.moveaxis(stack(True), 0, 2), order=order)
        given = MedROI.from_config(
            {"inner": {"id": "wavelet3d", "step": 5.0}, "threshold": None, "affine": thick.tolist()}
        )
        said = MedROI(
            {"id": "wavelet3d", "step": 5.0, "spacing_mm": spacing_mm}, threshold=None, affine=thick
        )
        assert given.encode(array) == said.encode(array)
