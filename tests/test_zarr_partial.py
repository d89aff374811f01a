"""Partial reads of Zarr format 3, counted in bytes and slabs: every pipeline, every store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import zarr
from arrays import phantom
from counting_store import (
    ChangingStore,
    CountingStore,
    FullBodyStore,
    RangelessStore,
    StrictStore,
)
from pipelines import WAYS

import medroi
from medroi import errors
from medroi.zarr import MedROICodec

KEY = "c/0/0/0"

# Parts of one slice each: what is read can be distinguished.
PARTS = np.zeros((8, 600, 600), "<u4")
PARTS[1:7, 50:550, 60:540] = np.random.default_rng(0).integers(1, 2**32, (6, 500, 480), np.uint32)


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].split('.')[-1]}-{way[1]}", autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every test of this file in each pipeline."""
    monkeypatch.setattr(CountingStore, "is_sync", request.param[1])
    with zarr.config.set({"codec_pipeline.path": request.param[0]}):
        yield


def create(store: Any, data: np.ndarray, codec: MedROICodec, **options: Any) -> zarr.Array:
    options = {"chunks": data.shape, "compressors": None, "fill_value": 0, **options}
    made = zarr.create_array(
        store, shape=data.shape, dtype=data.dtype, serializer=codec, zarr_format=3, **options
    )
    made[...] = data
    return made


def counted(
    codec: MedROICodec | None = None, store: CountingStore | None = None
) -> tuple[CountingStore, zarr.Array, Any]:
    store = CountingStore() if store is None else store
    made = create(store, PARTS, codec or MedROICodec("raw", threshold=None, padding=0))
    info = medroi.inspect(store.chunk(KEY))
    assert info.box == ((1, 7), (50, 550), (60, 540))
    assert info.n_parts == 6
    store.reads.clear()
    return store, made, info


def slabs_read(store: CountingStore, info: Any) -> list[int]:
    """The slices of the array whose parts were read, one each time it was read."""
    part_nbytes = (info.payload_nbytes - 12 * info.n_parts) // info.n_parts
    first = info.nbytes - info.n_parts * part_nbytes
    found: list[int] = []
    for _, bounds, _ in store.reads:
        start, stop = bounds or (0, info.nbytes)
        if stop > first:
            assert (start - first) % part_nbytes == 0 == (stop - first) % part_nbytes
            found += range(1 + (start - first) // part_nbytes, 1 + (stop - first) // part_nbytes)
    return found


@pytest.mark.parametrize("region", [np.s_[0], np.s_[:, :50, :], np.s_[:, :, 540:], np.s_[7, 3, 3]])
def test_a_selection_outside_the_box_reads_no_more_than_the_header(region: Any) -> None:
    store, made, _ = counted()
    assert not np.any(made[region])
    assert store.reads == [(KEY, (0, 116), 116)]


def test_a_selection_inside_the_box_reads_the_parts_that_it_touches() -> None:
    store, made, info = counted()
    part_nbytes = (info.payload_nbytes - 12 * 6) // 6
    assert np.array_equal(made[3, 100:200, 300], PARTS[3, 100:200, 300])
    first = 116 + 12 * 6 + 2 * part_nbytes
    assert store.reads == [
        (KEY, (0, 116), 116),
        (KEY, (116, 116 + 12 * 6), 12 * 6),
        (KEY, (first, first + part_nbytes), part_nbytes),
    ]


def test_neighbouring_parts_are_read_in_one_range() -> None:
    store, made, info = counted()
    assert np.array_equal(made[2:5, 100:200, 300:310], PARTS[2:5, 100:200, 300:310])
    assert len(store.reads) == 3
    assert slabs_read(store, info) == [2, 3, 4]


def test_a_whole_chunk_is_read_at_once() -> None:
    store, made, info = counted()
    assert np.array_equal(made[...], PARTS)
    assert store.reads == [(KEY, None, info.nbytes)]


POINTS = ([6, 1, 1, 4], [60, 70, 80, 90], [100, 300, 301, 302])
MASK = np.zeros(PARTS.shape, bool)
MASK[2, 55, 60] = MASK[5, 549, 539] = True


@pytest.mark.parametrize(
    ("kind", "selection", "slabs"),
    [
        ("basic", np.s_[::3], [3, 6]),
        ("basic", np.s_[1::4, 100, ::7], [1, 5]),
        ("basic", np.s_[-2], [6]),
        ("basic", np.s_[-7:-3:2, 300], [1, 3]),
        ("basic", np.s_[..., 300], [1, 2, 3, 4, 5, 6]),
        ("basic", np.s_[4, ...], [4]),
        ("basic", np.s_[4, 300, 301], [4]),
        ("basic", np.s_[:, ::599, 300], []),
        ("oindex", ([5, 2], slice(100, 110), [1, 300]), [2, 5]),
        ("oindex", (np.arange(8) % 5 == 1, [100], slice(None)), [1, 6]),
        ("oindex", ([-2, -8], [-1, 300], [300]), [6]),
        ("oindex", (slice(0, 8, 7), [100, 300], [300, 100]), []),
        ("vindex", POINTS, [1, 4, 6]),
        ("vindex", ([-2], [300], [-300]), [6]),
        ("vindex", MASK, [2, 5]),
    ],
)
def test_only_the_slabs_touched_are_read(kind: str, selection: Any, slabs: list[int]) -> None:
    store, made, info = counted()
    if kind == "basic":
        found, expected = made[selection], PARTS[selection]
    elif kind == "oindex":
        positions = [
            np.arange(size)[axis] for axis, size in zip(selection, PARTS.shape, strict=True)
        ]
        found, expected = made.oindex[selection], PARTS[np.ix_(*positions)]
    else:
        found, expected = made.vindex[selection], PARTS[selection]
    assert np.array_equal(found, expected)
    assert slabs_read(store, info) == slabs


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_slice_of_a_head_reads_less_than_a_tenth_of_it(
    order: str, head_volume: np.ndarray
) -> None:
    head = np.asarray(head_volume, order=order)
    assert head.shape == (160, 192, 192)
    store = CountingStore()
    made = create(store, head, MedROICodec.lossless())
    for k in range(0, 160, 9):
        store.reads.clear()
        region = np.s_[k] if order == "C" else np.s_[:, :, k]
        assert np.array_equal(made[region], head[region])
        assert store.n_bytes_read <= len(store.chunk(KEY)) / 10


def test_a_slice_of_a_sharded_head_reads_the_chunks_that_it_touches(
    head_volume: np.ndarray,
) -> None:
    store = CountingStore()
    codec = MedROICodec.lossless()
    shape = head_volume.shape
    made = create(store, head_volume, codec, chunks=(10, 192, 192), shards=shape)
    for k in range(0, 160, 9):
        store.reads.clear()
        assert np.array_equal(made[k], head_volume[k])
        assert store.n_bytes_read <= len(store.chunk(KEY)) / 10


def test_shards_read_only_the_chunks_that_are_touched() -> None:
    volume, store = phantom((40, 36, 34)), CountingStore()
    codec = MedROICodec.lossless("raw")
    made = create(store, volume, codec, chunks=(16, 16, 16), shards=(48, 48, 48))
    store.reads.clear()
    assert np.array_equal(made[17:20, 18, 20:30], volume[17:20, 18, 20:30])
    assert {key for key, _, _ in store.reads} == {KEY}
    assert store.n_bytes_read < len(store.chunk(KEY)) / 4


@pytest.mark.parametrize("roi", ["box", "mask"])
@pytest.mark.parametrize("content", ["nothing", "a voxel", "a block", "everything"])
def test_no_range_ends_beyond_the_end_of_a_chunk(content: str, roi: str) -> None:
    array = np.zeros((8, 64, 64), "<i2")
    array[
        {"nothing": np.s_[:0], "a voxel": (4, 5, 6), "a block": np.s_[3:5, 20:30, 20:30]}.get(
            content, np.s_[:]
        )
    ] = 300
    store = StrictStore()
    codec = MedROICodec(roi=roi)
    made = create(store, array, codec, config={"write_empty_chunks": True})
    for region in (np.s_[4], np.s_[:, 25, 3:30:4], np.s_[7, 63, 63], np.s_[...]):
        store.reads.clear()
        assert np.array_equal(made[region], array[region])
        assert all(stop <= len(store.chunk(KEY)) for _, (_, stop), _ in ranges_of(store))


def ranges_of(store: CountingStore) -> list[Any]:
    return [read for read in store.reads if read[1] is not None]


@pytest.mark.parametrize("kind", [FullBodyStore, RangelessStore])
def test_stores_without_ranges_are_read_whole_and_once(kind: type[CountingStore]) -> None:
    store, made, info = counted(store=kind())
    for region in (np.s_[0], np.s_[3, 100:200, 300], np.s_[::3, 60]):
        store.reads.clear()
        assert np.array_equal(made[region], PARTS[region])
        assert [nbytes for _, _, nbytes in store.reads] == [info.nbytes]


def encoded(data: np.ndarray, **options: Any) -> bytes:
    return medroi.MedROI("raw", threshold=None, **options).encode(data)


def other_voxels() -> bytes:
    return encoded(PARTS[::-1] // 3, padding=0)


def another_box() -> bytes:
    return encoded(np.roll(PARTS, 17, 1) // 3, padding=5)


def a_voxel() -> bytes:
    array = np.zeros_like(PARTS)
    array[3, 100, 300] = 7
    return encoded(array)


@pytest.mark.parametrize("n_reads", [1, 2])
@pytest.mark.parametrize("other", [other_voxels, another_box, a_voxel])
def test_a_chunk_replaced_between_two_reads_is_read_again(n_reads: int, other: Any) -> None:
    replacement = other()
    store = ChangingStore(n_reads, lambda store: store.replace_chunk(KEY, replacement))
    _, made, _ = counted(store=store)
    expected = medroi.MedROI().decode(replacement)
    assert np.array_equal(made[3, 90:200, 290:310], expected[3, 90:200, 290:310])


@pytest.mark.parametrize("n_reads", [1, 2])
def test_a_chunk_deleted_between_two_reads_is_the_fill_value(n_reads: int) -> None:
    store = ChangingStore(n_reads, lambda store: store._store._store_dict.pop(KEY, None))
    _, made, _ = counted(store=store)
    assert not made[3, 90:200, 290:310].any()


@pytest.mark.parametrize("region", [np.s_[...], np.s_[3:5, 100:200, 200:300]])
@pytest.mark.parametrize("inner", ["raw", "deflate", "zstd"])
def test_a_flipped_byte_is_an_error_out_of_zarr(inner: str, region: Any) -> None:
    store, made, info = counted(MedROICodec(inner, threshold=None, padding=0))
    stored = store.chunk(KEY)
    for offset in (3, 60, info.nbytes - info.payload_nbytes + 5, info.nbytes // 2):
        flipped = bytearray(stored)
        flipped[offset] ^= 16
        store.replace_chunk(KEY, bytes(flipped))
        with pytest.raises(errors.CorruptStream):
            made[region]


def test_a_part_that_is_not_read_cannot_fail() -> None:
    store, made, _ = counted()
    flipped = bytearray(store.chunk(KEY))
    flipped[-1] ^= 1
    store.replace_chunk(KEY, bytes(flipped))
    assert np.array_equal(made[1, 50:60], PARTS[1, 50:60])
    with pytest.raises(errors.CorruptStream, match="CRC"):
        made[6, 50:60]


@pytest.mark.parametrize("region", [np.s_[...], np.s_[3, 100:110, 200:300]])
@pytest.mark.parametrize("nbytes", [0, 50, 130, 600, -1])
@pytest.mark.parametrize("kind", [CountingStore, StrictStore])
def test_a_cut_chunk_is_an_error_out_of_zarr(
    kind: type[CountingStore], nbytes: int, region: Any
) -> None:
    store, made, info = counted(store=kind())
    first = info.nbytes // 3  # in front of the parts that the selection needs
    store.replace_chunk(KEY, store.chunk(KEY)[: min(nbytes % info.nbytes, first)])
    with pytest.raises(errors.CorruptStream):
        made[region]
