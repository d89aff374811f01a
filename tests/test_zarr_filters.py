"""Array-to-array codecs in front of `MedROICodec`: what they give is stored, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
import zarr.codecs
from arrays import phantom
from counting_store import CountingStore
from zarr.abc.codec import ArrayArrayCodec
from zarr.codecs import BytesCodec, TransposeCodec, numcodecs

from medroi import errors
from medroi.zarr import MedROICodec

NOISY = phantom((20, 24, 22)).astype("<i2")
HEAD = np.where(NOISY > 20, NOISY, 0).astype("<i2")  # its air is constant
FLOATS = (HEAD * np.float32(1.25) - 3).astype("<f4")
MASK = HEAD > 60
CHUNKS = (8, 24, 11)

# Codec, and the array that it stands in front of.
FILTERS: dict[str, tuple[list[Any], np.ndarray]] = {
    "transpose": ([TransposeCodec(order=(2, 0, 1))], HEAD),
    "delta": ([numcodecs.Delta(dtype="<i2")], HEAD),
    "delta-of-floats": ([numcodecs.Delta(dtype="<f4")], FLOATS),
    "delta-shorter": ([numcodecs.Delta(dtype="<i4", astype="<i2")], HEAD.astype("<i4")),
    "fixed-scale": ([numcodecs.FixedScaleOffset(offset=-3, scale=10, dtype="<f4")], FLOATS),
    "fixed-scale-shorter": (
        [numcodecs.FixedScaleOffset(offset=-3, scale=10, dtype="<f4", astype="<i2")],
        FLOATS,
    ),
    "quantize": ([numcodecs.Quantize(digits=1, dtype="<f4")], FLOATS),
    "bitround": ([numcodecs.BitRound(keepbits=9)], FLOATS),
    "bitround-of-doubles": ([numcodecs.BitRound(keepbits=9)], FLOATS.astype("<f8")),
    "packbits": ([numcodecs.PackBits()], MASK),
    "astype-longer": ([numcodecs.AsType(encode_dtype="<i4", decode_dtype="<i2")], HEAD),
    "astype-shorter": ([numcodecs.AsType(encode_dtype="|u1", decode_dtype="<i2")], HEAD),
    "astype-of-floats": ([numcodecs.AsType(encode_dtype="<i2", decode_dtype="<f4")], FLOATS),
    "astype-big-endian": ([numcodecs.AsType(encode_dtype=">i4", decode_dtype="<i2")], HEAD),
    "delta-transpose": (
        [TransposeCodec(order=(1, 2, 0)), numcodecs.Delta(dtype="<i2")],
        HEAD,
    ),
}
if hasattr(zarr.codecs, "CastValue"):  # since zarr 3.2
    FILTERS["cast"] = ([zarr.codecs.CastValue(data_type="int32")], HEAD)
    FILTERS["scale-offset"] = ([zarr.codecs.ScaleOffset(offset=3, scale=2)], FLOATS)

each_filter = pytest.mark.parametrize("name", FILTERS)


def create(name: str, serializer: Any, store: Any = None, **options: Any) -> zarr.Array:
    filters, data = FILTERS[name]
    options = {"chunks": CHUNKS, "fill_value": 0, **options}
    made = zarr.create_array(
        {} if store is None else store,
        shape=data.shape,
        dtype=data.dtype,
        filters=filters,
        serializer=serializer,
        compressors=None,
        **options,
    )
    made[...] = data
    return made


def bytes_codec(name: str = "") -> BytesCodec:
    # zarr 3.1 forgets the byte order of the elements where that of the bytes is another.
    return BytesCodec(endian="big" if name == "astype-big-endian" else "little")


def test_every_codec_that_zarr_has_is_here() -> None:
    stack: list[type] = [ArrayArrayCodec]
    found: set[type] = set()
    while stack:
        kinds = stack.pop().__subclasses__()
        stack += kinds
        found |= {kind for kind in kinds if kind.__module__.startswith("zarr.")}
    public = {kind for kind in found if not kind.__name__.startswith("_")}
    used = {type(codec) for filters, _ in FILTERS.values() for codec in filters}
    assert public == used


@each_filter
@pytest.mark.parametrize("shards", [None, (16, 24, 22)])
@pytest.mark.parametrize(
    "codec", [MedROICodec.lossless(), MedROICodec(), MedROICodec(threshold=None, roi="mask")]
)
def test_what_is_read_is_what_zarr_alone_would_read(
    codec: MedROICodec, shards: Any, name: str
) -> None:
    expected = create(name, bytes_codec(name), shards=shards)[...]
    made = create(name, codec, shards=shards)
    assert made[...].tobytes() == expected.tobytes()
    assert np.array_equal(made[3:19:4, 5, 2:9], expected[3:19:4, 5, 2:9])
    made[4:11, 3] = expected[4:11, 3] = expected[5:12, 9]
    again = create(name, bytes_codec(name), shards=shards)
    again[4:11, 3] = expected[5:12, 9]
    assert made[...].tobytes() == again[...].tobytes()


@pytest.mark.parametrize("name", ["delta", "fixed-scale", "packbits"])
def test_of_flat_arrays_every_voxel_is_kept_whatever_the_threshold(name: str) -> None:
    _, data = FILTERS[name]
    data = data if data.dtype == bool else NOISY.astype(data.dtype)
    made = create(name, MedROICodec(threshold=50, roi="mask"))
    made[...] = data
    expected = create(name, bytes_codec())
    expected[...] = data
    assert made[...].tobytes() == expected[...].tobytes()


@pytest.mark.parametrize(
    ("name", "value"), [("fixed-scale-shorter", -3), ("packbits", True), ("delta", 0)]
)
def test_a_constant_chunk_is_read_back(name: str, value: Any) -> None:
    made = create(name, MedROICodec())
    made[...] = value
    assert np.all(made[...] == value)


def test_nan_that_pads_integers_behind_a_filter_is_no_fill_value_of_theirs() -> None:
    filters = [numcodecs.AsType(encode_dtype="<i2", decode_dtype="<f4")]
    whole = np.round(FLOATS)
    made = zarr.create_array(
        {},
        data=whole,
        chunks=whole.shape,
        filters=filters,
        serializer=MedROICodec(),
        compressors=None,
        fill_value=np.nan,
    )
    assert np.array_equal(made[...], whole)


def test_a_filter_that_gives_another_dtype_than_it_announces_is_refused_before_writing() -> None:
    store = CountingStore()
    made = zarr.create_array(
        store,
        shape=HEAD.shape,
        dtype="<f8",
        chunks=CHUNKS,
        filters=[numcodecs.Quantize(digits=1, dtype="<f8", astype="<f4")],
        serializer=MedROICodec(),
        compressors=None,
    )
    with pytest.raises(errors.InvalidArgument, match=r"float32.*announces.*float64"):
        made[...] = HEAD
    assert not [key for key in store._store._store_dict if key.startswith("c/")]


@pytest.mark.parametrize("name", ["delta", "fixed-scale-shorter"])
def test_a_lossy_inner_codec_behind_differences_is_refused_before_writing(name: str) -> None:
    store = CountingStore()
    codec = MedROICodec({"id": "wavelet3d", "max_error": 4}, threshold=None)
    with pytest.raises(errors.InvalidArgument, match=r"filters=.*lossless inner codec"):
        create(name, codec, store)
    assert not [key for key in store._store._store_dict if key.startswith("c/")]


def test_a_lossy_inner_codec_behind_a_transposition_keeps_its_bound() -> None:
    made = create("transpose", MedROICodec({"id": "wavelet3d", "max_error": 4}, threshold=None))
    assert np.abs(made[...].astype("i4") - HEAD).max() <= 4
