"""Zarr format 3: what a user of zarr may rely on."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from arrays import DTYPES, make_array, phantom, same_bits
from counting_store import CountingStore
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import TransposeCodec, ZstdCodec
from zarr.core.array_spec import ArraySpec

import medroi
from medroi import MedROI, errors
from medroi.zarr import MedROICodec

CHUNKS = (16, 16, 16)
VOLUME = phantom((40, 36, 34))


def create(store: Any, data: np.ndarray, codec: MedROICodec, **options: Any) -> zarr.Array:
    options = {"chunks": CHUNKS, "compressors": None, "fill_value": 0, **options}
    made = zarr.create_array(
        store, shape=data.shape, dtype=data.dtype, serializer=codec, zarr_format=3, **options
    )
    made[...] = data
    return made


def chunk_of(data: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    return data[tuple(slice(i * n, (i + 1) * n) for i, n in zip(index, CHUNKS, strict=True))]


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*DTYPES, "<c8", ">c16"])
def test_lossless_returns_every_bit(dtype: str, order: str, shards: Any) -> None:
    volume = make_array(dtype, VOLUME.shape, order, 5)
    store = CountingStore()
    create(store, volume, MedROICodec.lossless(), shards=shards, config={"order": order})
    found = zarr.open_array(store, mode="r+")[...]
    native = volume.dtype.newbyteorder("=")
    assert found.dtype.newbyteorder("=") == native
    assert found.astype(native).tobytes() == volume.astype(native).tobytes()


@pytest.mark.parametrize("shape", [(100,), (21, 22), (3, 2, 21, 22), (2, 1, 2, 9, 8, 7)])
def test_lossless_returns_every_bit_of_any_number_of_axes(shape: tuple[int, ...]) -> None:
    volume = make_array("<i2", shape, "C", 5)
    chunks = tuple(min(size, 8) for size in shape)
    stored = create(CountingStore(), volume, MedROICodec.lossless(), chunks=chunks)
    assert np.array_equal(stored[...], volume)


@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_chunk_is_the_stream_of_the_numcodecs_face(inner: str, order: str) -> None:
    volume, store = np.array(VOLUME, order=order), CountingStore()
    create(store, volume, MedROICodec(inner), config={"order": order})
    chunk = chunk_of(volume, (1, 1, 1)).copy("K")
    assert store.chunk("c/1/1/1") == MedROI(inner).encode(chunk)


def test_tissue_is_exact_and_the_rest_is_background() -> None:
    store = CountingStore()
    stored = create(store, VOLUME, MedROICodec(), chunks=VOLUME.shape)
    box = tuple(slice(*bounds) for bounds in medroi.inspect(store.chunk("c/0/0/0")).box)
    expected = np.zeros_like(VOLUME)
    expected[box] = VOLUME[box]
    assert np.array_equal(stored[...], expected)
    assert 0 < expected[box].size < expected.size


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_writes_to_regions_leave_the_rest_alone(shards: Any) -> None:
    stored = create(CountingStore(), VOLUME, MedROICodec.lossless(), shards=shards)
    expected = VOLUME.copy()
    for region in (np.s_[3:20, 5, ::3], np.s_[:], np.s_[39, 35, 33], np.s_[10:33, 20:30, 1:9]):
        stored[region] = expected[region] = expected[region] + 7
        assert np.array_equal(stored[...], expected)


def test_elements_of_the_other_byte_order_are_stored_in_the_order_of_the_array() -> None:
    ours, theirs = CountingStore(), CountingStore()
    create(ours, VOLUME, MedROICodec())
    made = create(theirs, np.zeros_like(VOLUME), MedROICodec())
    made[...] = VOLUME.astype(">i2")
    assert ours.chunk("c/1/1/1") == theirs.chunk("c/1/1/1")


@pytest.mark.parametrize("config", [{}, {"configuration": {}}])
def test_a_name_alone_is_the_default_codec(config: dict[str, Any]) -> None:
    assert MedROICodec.from_dict({"name": "medroi", **config}) == MedROICodec()


@pytest.mark.parametrize(
    "codec",
    [
        MedROICodec(),
        MedROICodec({"id": "deflate", "level": 9}, threshold="otsu", axes=(0, 1)),
        MedROICodec("raw", threshold=12.5, polarity="dark", background=-1024, padding=0),
        MedROICodec.lossless(slice_axis=-1, affine=np.diag([2.0, 1.0, 3.0, 1.0])),
        MedROICodec(background=np.float32("nan"), max_miss_rate=0),
    ],
)
def test_a_configuration_survives_every_way_of_carrying_it(codec: MedROICodec) -> None:
    from dask.base import tokenize

    assert MedROICodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert eval(repr(codec)) == codec
    again = pickle.loads(pickle.dumps(codec))
    assert again == codec
    assert hash(again) == hash(codec)
    assert tokenize(again) == tokenize(codec)
    assert codec != MedROICodec("raw")
    assert tokenize(codec) != tokenize(MedROICodec("raw"))


def test_the_metadata_of_another_codec_are_refused_by_name() -> None:
    with pytest.raises(errors.InvalidArgument, match="'zstd'"):
        MedROICodec.from_dict({"name": "zstd"})


def test_fit_fixes_the_numbers_of_the_whole_array() -> None:
    scan = (VOLUME - 1024).astype("<i2")
    asked = {"chunks": CHUNKS, "background": "auto", "threshold": "mean"}
    codec = MedROICodec.fit(scan, **asked)
    fitted = codec.to_dict()["configuration"]
    assert fitted == {
        key: value for key, value in MedROI.fit(scan, **asked).get_config().items() if key != "id"
    }
    stored = create(CountingStore(), scan, codec, fill_value=fitted["background"])
    tissue = scan >= fitted["threshold"]
    assert np.array_equal(stored[...][tissue], scan[tissue])
    assert 0 < tissue.sum() < tissue.size


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
@pytest.mark.parametrize(
    ("codec", "options", "message"),
    [
        (MedROICodec(background=0), {"fill_value": 3}, "fill_value=0.*background=3"),
        (MedROICodec(background=-1024), {"fill_value": 0}, "fill_value=-1024"),
        (MedROICodec(background="auto"), {}, "fit"),
        (MedROICodec(background=0.5), {}, "background"),
        (MedROICodec(axes=(0, 3)), {}, "axes"),
        (MedROICodec(slice_axis=3), {}, "slice_axis"),
        (MedROICodec(), {"dtype": "S70000", "fill_value": b""}, "dtype"),
    ],
)
def test_arrays_that_cannot_be_stored_are_refused_before_they_exist(
    codec: MedROICodec, options: dict[str, Any], message: str, shards: Any
) -> None:
    store = CountingStore()
    with pytest.raises(errors.InvalidArgument, match=message):
        zarr.create_array(
            store,
            **{
                "shape": (40, 36, 34),
                "chunks": CHUNKS,
                "shards": shards,
                "dtype": "i2",
                "serializer": codec,
                "compressors": None,
                **options,
            },
        )
    assert not store._store._store_dict


def test_a_lossless_codec_takes_any_fill_value() -> None:
    stored = create(CountingStore(), VOLUME, MedROICodec.lossless(background=4), fill_value=-7)
    assert np.array_equal(stored[...], VOLUME)


def test_a_fill_value_of_nan_beside_another_background_is_content() -> None:
    volume = VOLUME.astype("<f4")
    store = CountingStore()
    codec = MedROICodec(background=0, threshold="mean")
    create(store, volume, codec, chunks=(24, 24, 24), fill_value=np.nan)
    padded = medroi.MedROI().decode(store.chunk("c/1/1/1"))
    assert np.isnan(padded[16:]).all()
    assert not np.isnan(padded[:16, :12, :10]).any()
    with pytest.raises(errors.InvalidArgument, match="fill_value"):
        create(CountingStore(), volume, codec, fill_value=np.inf)


def test_padding_with_nan_is_no_part_of_the_region() -> None:
    volume = VOLUME.astype("<f4")
    stores = CountingStore(), CountingStore()
    for store, fill_value in zip(stores, (0, np.nan), strict=True):
        create(store, volume, MedROICodec(threshold=50), chunks=(24, 24, 24), fill_value=fill_value)
    boxes = [medroi.inspect(store.chunk("c/1/1/1")).box for store in stores]
    assert boxes[0] == boxes[1]
    assert boxes[0] != ((0, 24), (0, 24), (0, 24))
    with pytest.raises(errors.InvalidArgument, match="fill_value"):
        create(CountingStore(), volume, MedROICodec(background=0), fill_value=np.inf)


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
@pytest.mark.parametrize("fill_value", [0, -1024, 7])
def test_the_fill_value_is_the_background_where_none_is_given(fill_value: int, shards: Any) -> None:
    volume = (VOLUME + fill_value).astype("<i2")
    ours, theirs = CountingStore(), CountingStore()
    create(ours, volume, MedROICodec(), fill_value=fill_value, shards=shards)
    given = MedROICodec(background=fill_value)
    create(theirs, volume, given, fill_value=fill_value, shards=shards)
    assert ours.chunk("c/0/0/0") == theirs.chunk("c/0/0/0")
    if shards is None:
        assert medroi.inspect(ours.chunk("c/1/1/1")).background == fill_value


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_chunks_that_decode_to_the_fill_value_are_not_stored(shards: Any) -> None:
    air = np.zeros((32, 32, 32), "<i2")
    air[0, 0, 0] = 1
    for keep in (False, True):
        store = CountingStore()
        config = {"write_empty_chunks": keep}
        stored = create(store, air, MedROICodec(threshold=50), shards=shards, config=config)
        assert not stored[...].any()
        assert any(key.startswith("c/") for key in store._store._store_dict) == keep


def test_filters_before_and_compressors_behind_are_welcome() -> None:
    volume = np.array(VOLUME, order="F")
    for options in (
        {"filters": [TransposeCodec(order=(2, 0, 1))]},
        {"compressors": ZstdCodec(level=1)},
        {"filters": [TransposeCodec(order=(2, 1, 0))], "compressors": ZstdCodec(level=1)},
    ):
        stored = create(CountingStore(), volume, MedROICodec.lossless(), **options)
        assert np.array_equal(stored[...], volume)
        assert np.array_equal(stored[5:39:3, 7, 2:9], volume[5:39:3, 7, 2:9])


def positions(size: int) -> st.SearchStrategy[Any]:
    index = st.integers(0, size - 1)
    return st.lists(index, min_size=1, max_size=6).map(np.array)


def basic(size: int) -> st.SearchStrategy[Any]:
    bound = st.none() | st.integers(-size, size)
    return st.integers(-size, size - 1) | st.builds(
        slice, bound, bound, st.none() | st.integers(1, 7)
    )


SMALL = make_array("<i2", (13, 17, 11), "C", 9)
SMALL[:3] = SMALL[:, 12:] = 0


@pytest.fixture(scope="module", params=[None, (14, 12, 10)])
def small(request: pytest.FixtureRequest) -> zarr.Array:
    codec = MedROICodec.lossless()
    return create(CountingStore(), SMALL, codec, chunks=(7, 6, 5), shards=request.param)


@given(st.tuples(*(basic(size) for size in SMALL.shape)))
@settings(max_examples=80, deadline=None)
def test_slices_read_what_numpy_reads(small: zarr.Array, selection: Any) -> None:
    assert np.array_equal(small[selection], SMALL[selection])


@given(st.tuples(*(positions(size) for size in SMALL.shape)))
@settings(max_examples=40, deadline=None)
def test_orthogonal_selections_read_what_numpy_reads(small: zarr.Array, selection: Any) -> None:
    assert np.array_equal(small.oindex[selection], SMALL[np.ix_(*selection)])


@given(st.lists(st.tuples(*(st.integers(0, n - 1) for n in SMALL.shape)), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_points_and_masks_read_what_numpy_reads(small: zarr.Array, points: Any) -> None:
    selection = tuple(np.array(axis) for axis in zip(*points, strict=True))
    assert np.array_equal(small.vindex[selection], SMALL[selection])
    mask = np.zeros(SMALL.shape, bool)
    mask[selection] = True
    assert np.array_equal(small.vindex[mask], SMALL[mask])


@pytest.mark.parametrize("region", [np.s_[...], np.s_[3:5, 0, 0]])
@pytest.mark.parametrize(
    "other", [VOLUME[:16], VOLUME[:16, :16], np.zeros((16, 16, 16), "<u2"), np.zeros(16**3, "<i2")]
)
def test_a_chunk_of_another_shape_or_dtype_is_refused(region: Any, other: np.ndarray) -> None:
    store = CountingStore()
    made = create(store, VOLUME, MedROICodec())
    store.replace_chunk("c/0/0/0", MedROI().encode(other))
    with pytest.raises(errors.CorruptStream, match=r"expected shape \(16, 16, 16\)"):
        made[region]


def test_a_chunk_that_claims_to_be_huge_takes_no_memory() -> None:
    store = CountingStore()
    made = create(store, VOLUME, MedROICodec())
    header = bytearray(MedROI().encode(np.zeros((2, 2, 2), "<i2")))
    struct.pack_into("<3h", header, 22, 30000, 30000, 30000)
    struct.pack_into("<I", header, len(header) - 4, zlib.crc32(header[:-4]))
    store.replace_chunk("c/0/0/0", bytes(header))
    tracemalloc.start()
    for region in (np.s_[...], np.s_[3, 4, 5]):
        with pytest.raises(errors.CorruptStream, match="30000"):
            made[region]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("store", ["memory", "local"])
def test_groups_hold_arrays_of_every_kind(store: str, tmp_path: Path) -> None:
    root = zarr.create_group({} if store == "memory" else tmp_path / "scans.zarr")
    for name, codec in (("kept", MedROICodec.lossless()), ("tissue", MedROICodec("deflate"))):
        made = root.create_array(
            f"head/{name}",
            shape=VOLUME.shape,
            dtype=VOLUME.dtype,
            chunks=CHUNKS,
            serializer=codec,
            compressors=None,
        )
        made[...] = VOLUME
    again = zarr.open_group(root.store, mode="r")
    assert np.array_equal(again["head/kept"][...], VOLUME)
    assert again["head/tissue"][20, 18, 17] == VOLUME[20, 18, 17]
    assert again["head/tissue"].serializer == MedROICodec("deflate")


def test_threads_read_and_write_one_array() -> None:
    made = create(CountingStore(), np.zeros_like(VOLUME), MedROICodec.lossless())
    rows = [slice(start, start + 16) for start in range(0, 40, 16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: made.__setitem__(row, VOLUME[row]), rows))
        found = list(pool.map(lambda k: made[k : k + 3], range(37)))
    assert all(np.array_equal(block, VOLUME[k : k + 3]) for k, block in enumerate(found))


def test_zarr_finds_the_codec_without_an_import_of_medroi(tmp_path: Path) -> None:
    create(str(tmp_path / "scan.zarr"), VOLUME, MedROICodec.lossless())
    program = (
        "import sys, zarr\n"
        "assert 'medroi' not in sys.modules\n"
        "scan = zarr.open_array(sys.argv[1], mode='r')\n"
        "print(int(scan[...].astype('i8').sum()), scan[20, 18, 17])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "scan.zarr")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert found.stdout.split() == [str(VOLUME.astype("i8").sum()), str(VOLUME[20, 18, 17])]


def test_codec_methods_without_an_event_loop_agree_with_those_in_one() -> None:
    made = create(CountingStore(), VOLUME, MedROICodec("raw"), chunks=VOLUME.shape)
    spec = ArraySpec(
        shape=VOLUME.shape,
        dtype=made.metadata.data_type,
        fill_value=made.metadata.fill_value,
        config=made._async_array.config,
        prototype=zarr.core.buffer.default_buffer_prototype(),
    )
    buffer = spec.prototype.nd_buffer.from_numpy_array(VOLUME)
    coded = MedROICodec("raw")._encode_sync(buffer, spec)
    decoded = MedROICodec()._decode_sync(coded, spec).as_numpy_array()
    assert same_bits(decoded, np.asarray(made[...]))
    assert coded.to_bytes() == MedROI("raw").encode(VOLUME)
