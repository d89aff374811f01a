"""Whole streams: what is promised about bytes, good and bad."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import reference_stream
from arrays import DTYPES, OPAQUE_DTYPES, arrays, make_array, phantom, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st

import medroi
from medroi import MedROI, _kernel, errors

REFUSALS = (errors.CorruptStream, errors.UnsupportedVersion)
INNERS = ("raw", "deflate", "zstd")


def reseal(stream: bytearray) -> bytes:
    """Put a right header CRC under whatever the header now says."""
    side_nbytes = struct.unpack_from("<I", stream, 96)[0]
    extended = (stream[5] >> 2 & 1) * (24 * stream[7] + 36)
    end = min(112 + extended + side_nbytes, len(stream) - 4)
    struct.pack_into("<I", stream, end, zlib.crc32(stream[:end]))
    return bytes(stream)


@pytest.fixture(params=INNERS)
def stream(request: pytest.FixtureRequest) -> bytes:
    return MedROI(request.param).encode(phantom())


def test_every_length_has_the_crc_of_zlib() -> None:
    """Also where the processor folds 64 or 128 bytes at a time, from any address on."""
    data = np.random.default_rng(5).bytes(2000)
    lengths = [*range(700), 1023, 1024, 1025, 1900]
    for first in (0, 1, 7):
        pieces = [data[first : first + n] for n in lengths]
        assert [_kernel.crc32(piece) for piece in pieces] == [zlib.crc32(p) for p in pieces]


@given(arrays(DTYPES + OPAQUE_DTYPES, max_axes=8), st.sampled_from(INNERS), st.data())
@settings(max_examples=300, deadline=None)
def test_lossless_returns_every_bit(array: np.ndarray, inner: str, data: st.DataObject) -> None:
    slice_axis = data.draw(st.none() | st.integers(0, array.ndim - 1))
    stream = MedROI.lossless(inner, slice_axis=slice_axis).encode(array)
    assert same_bits(MedROI().decode(stream), array)


@given(arrays(DTYPES + OPAQUE_DTYPES, max_axes=6), st.sampled_from(INNERS), st.data())
@settings(max_examples=200, deadline=None)
def test_a_reader_written_from_the_format_agrees(
    array: np.ndarray, inner: str, data: st.DataObject
) -> None:
    slice_axis = data.draw(st.none() | st.integers(0, array.ndim - 1))
    threshold = data.draw(st.sampled_from(["mean", "otsu", None]))
    codec = MedROI(inner, slice_axis=slice_axis, threshold=threshold, padding=1)
    stream = codec.encode(array)
    assert same_bits(reference_stream.read(stream), codec.decode(stream))


@pytest.mark.parametrize("inner", INNERS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_many_parts_return_every_bit(inner: str, order: str, slice_axis: int) -> None:
    array = make_array("<i4", (90, 101, 97), order, 3)
    stream = MedROI.lossless(inner, slice_axis=slice_axis).encode(array)
    assert medroi.inspect(stream).n_parts > 1
    assert same_bits(MedROI().decode(stream), array)
    assert same_bits(reference_stream.read(stream), array)


def test_every_prefix_is_refused(stream: bytes) -> None:
    for length in range(len(stream)):
        for read in (MedROI().decode, medroi.inspect):
            with pytest.raises(REFUSALS):
                read(stream[:length])


def test_every_flipped_byte_is_refused(stream: bytes) -> None:
    for offset in range(len(stream)):
        damaged = bytearray(stream)
        damaged[offset] ^= 1 << offset % 8
        with pytest.raises(REFUSALS):
            MedROI().decode(bytes(damaged))


def test_bytes_behind_the_stream_are_refused(stream: bytes) -> None:
    with pytest.raises(errors.CorruptStream):
        MedROI().decode(stream + b"\0")


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_are_refused(data: bytes) -> None:
    for prefix in (b"", b"MROI", b"MROI\x01"):
        with pytest.raises(REFUSALS):
            MedROI().decode(prefix + data)


@given(st.integers(4, 111), st.integers(0, 255))
@settings(max_examples=400, deadline=None)
def test_a_lying_header_is_refused_or_read_as_the_format_says(offset: int, value: int) -> None:
    honest = MedROI("raw").encode(phantom())
    lying = bytearray(honest)
    lying[offset] = value
    stream = reseal(lying)
    try:
        decoded = MedROI().decode(stream)
    except REFUSALS:
        return
    assert same_bits(decoded, reference_stream.read(stream))


def test_a_claim_beyond_memory_is_refused() -> None:
    array = np.zeros((2, 3, 4, 5), "<f8")
    lying = bytearray(MedROI("raw").encode(array))
    for axis in range(4):
        struct.pack_into("<Q", lying, 112 + 24 * axis, 2**14)
    with pytest.raises(errors.MedROIError, match="more than the limit"):
        MedROI().decode(reseal(lying))
    with pytest.raises(REFUSALS, match="memory"):
        MedROI(max_nbytes=2**62).decode(reseal(lying))


def test_future_versions_and_codecs_are_named() -> None:
    stream = bytearray(MedROI("raw").encode(phantom()))
    newer = bytearray(stream)
    newer[4] = 2
    with pytest.raises(errors.UnsupportedVersion, match="version 2"):
        MedROI().decode(reseal(newer))
    unknown = bytearray(stream)
    struct.pack_into("<H", unknown, 108, 999)
    with pytest.raises(errors.UnsupportedVersion, match="999"):
        MedROI().decode(reseal(unknown))


def test_the_record_is_the_published_one() -> None:
    affine = np.array([[0, 2, 0], [1.5, 0, 0], [0, 0, -3]])
    volume = phantom()
    stream = MedROI(affine=affine).encode(volume)
    box = [bound for low, high in medroi.inspect(stream).box for bound in (low, high - 1)]
    expected = np.array(box, "<i2").tobytes() + np.array(volume.shape, "<i2").tobytes()
    expected += affine.astype("<f4").tobytes()
    assert len(expected) == 54
    assert stream[10:64] == expected == medroi.inspect(stream).record


def test_images_are_recorded_with_a_third_axis_of_one() -> None:
    image = phantom((40, 30))
    record = np.frombuffer(medroi.inspect(MedROI().encode(image)).record[:18], "<i2")
    assert record[4:6].tolist() == [0, 0]
    assert record[6:9].tolist() == [40, 30, 1]


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4, 5), (40000, 2), (1, 2, 32768)])
def test_the_extended_record_takes_what_the_record_cannot(shape: tuple[int, ...]) -> None:
    array = np.ones(shape, "u1")
    info = medroi.inspect(MedROI.lossless("raw").encode(array))
    assert info.record == bytes(54)
    assert info.shape == shape
    assert info.box == tuple((0, size) for size in shape)


def test_an_empty_region_is_header_and_record_only() -> None:
    stream = MedROI().encode(np.zeros((30, 20, 10), "<i2"))
    assert len(stream) == 116
    record = np.frombuffer(medroi.inspect(stream).record[:12], "<i2")
    assert record.tolist() == [0, -1, 0, -1, 0, -1]
    assert medroi.inspect(stream).box == ((0, 0),) * 3
    assert not MedROI().decode(stream).any()


def test_the_overhead_of_a_box_is_within_its_budget() -> None:
    for shape in [(50, 60), (20, 24, 22), (150, 160, 170)]:
        info = medroi.inspect(MedROI("zstd").encode(phantom(shape)))
        assert info.nbytes - info.payload_nbytes <= 54 + 64
