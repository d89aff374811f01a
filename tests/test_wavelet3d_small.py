"""wavelet3d's second version keeps the promises of the first, in fewer bytes."""

from __future__ import annotations

from ctypes import CDLL

import numpy as np
import pytest
import reference_wavelet3d
import wavelets
from arrays import phantom
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_build import Coder
from scans import part, scan
from wavelets import DTYPES, check_builds, check_reference, psnr

from medroi import MedROI, errors, inspect
from medroi.inner.predict3d import Predict3D
from medroi.inner.wavelet3d import Wavelet3D

SECOND = 253
SMALL = 1.0  # params[6]


def through(array: np.ndarray, speed: str = "small", **target: float) -> tuple[bytes, np.ndarray]:
    return wavelets.through(array, speed=speed, **target)


@pytest.mark.parametrize("dtype", ["<i2", ">u2", "<f4", "<f8"])
@pytest.mark.parametrize("target", [35.0, 42.0, 50.0])
def test_psnr_is_reached_within_a_fifth_of_a_decibel(dtype: str, target: float) -> None:
    array = part(dtype, (30, 40, 42))
    assert abs(psnr(array, through(array, psnr=target)[1]) - target) < 0.2


@pytest.mark.parametrize("target", [34.0, 41.0, 48.0])
def test_psnr_is_reached_where_the_last_step_is_not_tried(target: float) -> None:
    array = part("<i2", (48, 64, 80))  # large enough for that
    coded, decoded = through(array, psnr=target)
    assert coded[0] == SECOND
    assert abs(psnr(array, decoded) - target) < 0.2


def test_psnr_of_a_series_is_reached() -> None:
    array = np.stack([part("<i2", (12, 40, 42)) + t for t in range(4)])
    coded, decoded = through(array, psnr=45.0)
    assert coded[0] == SECOND
    assert abs(psnr(array, decoded) - 45) < 0.2


@pytest.mark.parametrize("rate", [5.0, 8.0, 20.0])
def test_rate_is_reached_within_one_percent(rate: float) -> None:
    array = part("<i2", (64, 80, 96), noise=8.0)
    codec = MedROI(
        {"id": "wavelet3d", "rate": rate, "speed": "small"}, threshold=None, background=9999
    )
    assert abs(array.nbytes / inspect(codec.encode(array)).payload_nbytes / rate - 1) < 0.01


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_noise_is_reached_as_a_share_of_the_noise_that_was_added(share: float) -> None:
    sigma, shape = 11.0, (24, 64, 64)
    smooth = 300 * np.sin(np.indices(shape) / 9.0).sum(axis=0)
    noisy = smooth + np.random.default_rng(12).normal(0, sigma, shape)
    array = np.rint(noisy).astype("<i2")
    decoded = through(array, noise=share)[1]
    rms = np.sqrt(np.mean((decoded.astype(float) - array.astype(float)) ** 2))
    assert abs(rms / sigma - share) < 0.04 * share


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 12), min_size=1, max_size=5).map(tuple),
    bound=st.floats(0.01, 300),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_no_voxel_is_off_by_more_than_max_error(
    dtype: str, shape: tuple[int, ...], bound: float, seed: int
) -> None:
    array = part(dtype, shape, seed)
    decoded = through(array, max_error=bound)[1]
    assert np.all(np.abs(decoded.astype(np.float64) - array.astype(np.float64)) <= bound)


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 14), min_size=1, max_size=4).map(tuple),
    target=st.sampled_from(["step", "max_error"]),
    size=st.floats(0.3, 40),
)
@settings(max_examples=40, deadline=None)
def test_no_part_is_larger_than_its_lossless_code(
    dtype: str, shape: tuple[int, ...], target: str, size: float
) -> None:
    array = part(dtype, shape)
    assert len(through(array, **{target: size})[0]) <= 1 + len(Predict3D().encode(array))


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=5).map(tuple),
    step=st.floats(0.5, 100),
)
@settings(max_examples=25, deadline=None)
def test_the_reference_decodes_the_same_bits(
    dtype: str, shape: tuple[int, ...], step: float
) -> None:
    array = part(dtype, shape)
    for target in ({"step": step}, {"max_error": step}):
        check_reference(array, speed="small", **target)


def test_all_builds_write_and_read_the_same_bytes(coder_builds: list[CDLL]) -> None:
    made = [Coder(library, "wavelet3d") for library in coder_builds]
    for array in (part("<i2", (17, 33, 40)), part("<f4", (12, 13, 14)), part("|u1", (50, 60))):
        for params in ([1.0, 45.0], [2.0, 9.0], [3.0, 4.0], [4.0, 2.5]):
            asked = [*params, 0, 0, 0, params[1], SMALL]
            check_builds(made, array, asked)


def test_any_number_of_threads_writes_the_same_slabs() -> None:
    volume = np.concatenate([phantom((60, 130, 140))] * 2)
    asked = {"id": "wavelet3d", "step": 9.0, "speed": "small"}
    one, three = (MedROI(asked, threshold=None, threads=n) for n in (1, 3))
    stream = one.encode(volume)
    assert stream == three.encode(volume)
    whole = np.asarray(one.decode(stream))
    assert np.array_equal(np.asarray(three.decode(stream)), whole)


@pytest.mark.parametrize("target", [{"step": 6.0}, {"max_error": 0.03}])
def test_every_prefix_and_every_extra_byte_is_refused(target: dict[str, float]) -> None:
    array = part("<f4", (7, 11, 13))
    coded, out = through(array, **target)
    assert coded[0] == SECOND
    for length in range(len(coded)):
        with pytest.raises(errors.CorruptStream):
            Wavelet3D.decode(memoryview(coded[:length]), out)
    with pytest.raises(errors.CorruptStream):
        Wavelet3D.decode(memoryview(coded + b"\0"), out)


@pytest.mark.parametrize("bit", range(2, 8))
def test_flags_that_no_version_knows_are_refused(bit: int) -> None:
    array = part("<i2", (9, 16, 17))
    coded, out = through(array, step=9.0)
    assert coded[0] == SECOND
    with pytest.raises(errors.CorruptStream):
        Wavelet3D.decode(memoryview(coded[:1] + bytes([coded[1] | 1 << bit]) + coded[2:]), out)


@given(data=st.data(), target=st.sampled_from([{"step": 6.0}, {"max_error": 0.03}]))
@settings(max_examples=200, deadline=None)
def test_damaged_parts_are_survived(data: st.DataObject, target: dict[str, float]) -> None:
    array = part("<f4", (9, 8, 10))
    coded, out = through(array, **target)
    damaged = bytearray(coded)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(coded) - 1))] = data.draw(st.integers(0, 255))
    try:
        Wavelet3D.decode(memoryview(bytes(damaged)), out)
    except errors.CorruptStream:
        return
    assert np.all(np.isfinite(out))


@given(coded=st.binary(min_size=40, max_size=200), flags=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_any_bytes_behind_a_header_are_survived(coded: bytes, flags: int) -> None:
    array = part("|u1", (6, 8, 9))
    header = through(array, step=9.0)[0][:35]
    out = np.empty_like(array)
    made = header[:1] + bytes([flags]) + header[2:] + coded
    try:
        Wavelet3D.decode(memoryview(made), out)
    except errors.CorruptStream:
        return
    assert out.tobytes() == reference_wavelet3d.decode(made, out.shape, "|u1").tobytes()


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


def test_values_stay_inside_the_range_of_the_data() -> None:
    array = part("<i2", (20, 30, 31))
    decoded = through(array, psnr=30.0)[1]
    assert array.min() <= decoded.min() <= decoded.max() <= array.max()


@pytest.mark.parametrize("target", [38.0, 46.0])
def test_it_takes_a_twentieth_fewer_bytes_even_of_noise(target: float) -> None:
    noise = np.random.default_rng(1).normal(0, 6, (40, 72, 76))
    array = np.rint(scan(noise.shape, noise=0) + noise).astype("<i2")
    small, fast = (through(array, speed, psnr=target) for speed in ("small", "fast"))
    assert abs(psnr(array, small[1]) - psnr(array, fast[1])) < 0.2
    assert len(small[0]) < 0.95 * len(fast[0])


def test_equal_volumes_of_a_series_cost_less_than_half_again() -> None:
    first = part("<i2", (12, 60, 64), noise=6.0)
    one = len(through(first[None], step=20.0)[0])
    four = len(through(np.stack([first] * 4), step=20.0)[0])
    assert four < 1.5 * one


def test_edges_far_from_the_middle_decide_which_axis_is_split_first() -> None:
    rng = np.random.default_rng(3)
    slice_ = np.zeros((80, 96))
    for corner in (np.s_[:24, 72:], np.s_[56:, :24]):
        slice_[corner] = np.where(rng.random((24, 24)) < 0.2, 1200, 0)
    rods = (slice_ + rng.normal(0, 3, (32, 80, 96))).astype("<i2")
    small, fast = (through(rods, speed, psnr=36.0) for speed in ("small", "fast"))
    assert small[0][3] == 0b0010  # the first level splits the axis along which nothing changes
    assert len(small[0]) < 0.5 * len(fast[0])


@pytest.mark.parametrize("speed", ["slow", 1, ""])
def test_speeds_that_there_are_not_are_refused(speed: object) -> None:
    with pytest.raises(errors.InvalidArgument):
        Wavelet3D(psnr=40.0, speed=speed)  # type: ignore[arg-type]


def test_the_first_version_is_written_unless_the_second_is_asked_for() -> None:
    array = part("<i2", (17, 18, 20))
    fast = through(array, "fast", step=9.0)[0]
    assert fast == Wavelet3D(step=9.0).plan(array).encode(array)
    assert fast[0] < 16
