"""What learned codecs share and PyTorch is not needed for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medroi.errors import CorruptStream, InvalidArgument, UnsupportedVersion
from medroi.inner.neural import images, near, part
from medroi.inner.neural.images import Frame, Scale

SETTINGS = {"precision": "float64", "n": 3}
A_PART = part.Part(SETTINGS, bytes(range(16)), -1.5, 2.25, 77, (b"", b"abc"))


def test_a_part_comes_back() -> None:
    coded = part.pack(A_PART)
    found = part.unpack(memoryview(coded))
    assert [bytes(section) for section in found.sections] == [b"", b"abc"]
    assert part.pack(found) == coded
    assert dict(found.settings) == dict(A_PART.settings)


def test_every_prefix_and_every_excess_of_a_part_is_refused() -> None:
    coded = part.pack(A_PART)
    for stop in range(len(coded)):
        with pytest.raises(CorruptStream):
            part.unpack(memoryview(coded[:stop]))
    with pytest.raises(CorruptStream):
        part.unpack(memoryview(coded + b"x"))


def test_no_flipped_bit_of_a_part_gives_another_error_than_ours() -> None:
    coded = part.pack(A_PART)
    for place in range(8 * len(coded)):
        broken = bytearray(coded)
        broken[place // 8] ^= 1 << place % 8
        try:
            part.unpack(memoryview(bytes(broken)))
        except (CorruptStream, UnsupportedVersion):
            continue


@given(arrays.arrays(np.float64, 50, elements=st.floats(-300, 300)), st.integers(1, 20))
def test_a_decoder_off_by_rounding_finds_the_encoders_places(values: np.ndarray, n: int) -> None:
    edges = np.linspace(-200, 200, n)
    values[: min(n, 50)] = edges[:50]
    shaken = values * (1 + 1e-12) + 1e-13
    places, record = near.decide_between(values, edges)
    read, rest = near.Near.unpack(memoryview(record.pack() + b"rest"))
    assert bytes(rest) == b"rest"
    assert np.array_equal(near.believe(near.between(shaken, edges), read), places)
    places, record = near.decide_whole(values)
    assert np.array_equal(near.believe(near.whole(shaken), record), places)


def test_few_numbers_are_near_an_edge() -> None:
    values = np.random.default_rng(1).exponential(1.0, 10**6)
    _, record = near.decide_between(values, np.exp(np.linspace(-2, 5, 63)))
    assert 0 < record.positions.size < 200


def test_records_that_rounding_does_not_explain_are_refused() -> None:
    places = np.array([3, 4, 5], np.int32)
    for positions, recorded in (([1], [6]), ([3], [4]), ([0], [1])):
        record = near.Near(np.array(positions), np.array(recorded, np.int32))
        with pytest.raises(CorruptStream):
            near.believe(places, record)
    unordered = near.Near(np.array([2, 1]), np.array([4, 5], np.int32)).pack()
    with pytest.raises(CorruptStream):
        near.Near.unpack(memoryview(unordered))
    whole = near.Near(np.array([1, 2]), np.array([4, 5], np.int32)).pack()
    for stop in range(len(whole)):
        with pytest.raises(CorruptStream):
            near.Near.unpack(memoryview(whole[:stop]))


@pytest.mark.parametrize("dtype", ["<i2", ">u2", "|u1", "|i1", ">i4", "<f4", ">f8", "<f2", "<u8"])
def test_elements_survive_the_scale_within_rounding(dtype: str) -> None:
    rng = np.random.default_rng(5)
    part_in = rng.integers(3, 120, (3, 5, 7)).astype(dtype)
    scale = images.scale_of("x", part_in)
    values = images.to_slices(part_in, scale)
    assert values.min() == 0.0 and values.max() == 1.0
    out = np.empty_like(part_in)
    images.put_slices(values, scale, out)
    assert out.dtype == part_in.dtype
    slack = 0.0 if out.dtype.kind != "f" else 2 * np.finfo(out.dtype).eps
    assert np.all(np.abs(out.astype(float) - part_in) <= slack * part_in.astype(float))


def test_integers_are_rounded_and_clamped() -> None:
    out = np.empty(4, np.int16)
    images.put_slices(np.array([-1.0, 0.26, 0.24, 9e9]), Scale(0.0, 2.0), out)
    assert out.tolist() == [-2, 1, 0, 32767]


def test_constant_regions_have_a_scale() -> None:
    region = np.full((1, 1, 1), 41, np.uint8)
    scale = images.scale_of("x", region)
    out = np.empty_like(region)
    images.put_slices(images.to_slices(region, scale), scale, out)
    assert out.item() == 41


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_regions_that_are_not_finite_are_refused_with_the_alternative(bad: float) -> None:
    with pytest.raises(InvalidArgument, match="zstd"):
        images.scale_of("tcm", np.array([1.0, bad]))


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([64, 128, 256]))
def test_padding_comes_off(height: int, width: int, multiple: int) -> None:
    frame = images.centred_frame((height, width), multiple, 256)
    assert frame.padded_height % multiple == frame.padded_width % multiple == 0
    assert min(frame.padded_height, frame.padded_width) >= 256
    values = np.ones((1, height, width))
    padded = images.pad(values, frame)
    assert padded.shape == (1, frame.padded_height, frame.padded_width)
    assert padded.sum() == height * width
    assert np.array_equal(images.crop(padded, frame), values)


def test_the_smaller_half_of_the_padding_comes_first() -> None:
    assert images.centred_frame((201, 300), 128, 256) == Frame(201, 300, 27, 42, 256, 384)
