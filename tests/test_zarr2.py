"""Zarr format 2 through zarr 3: what a user of zarr may rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from arrays import DTYPES, OPAQUE_DTYPES, make_array, phantom
from counting_store import CountingStore

import medroi
from medroi import MedROI, errors

CHUNKS = (16, 16, 16)
VOLUME = phantom((40, 36, 34))


def create(store: Any, data: np.ndarray, codec: MedROI, **options: Any) -> zarr.Array:
    made = zarr.create_array(
        store,
        shape=data.shape,
        dtype=data.dtype,
        zarr_format=2,
        compressors=codec,
        **{"chunks": CHUNKS, "filters": None, **options},
    )
    made[...] = data
    return made


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*DTYPES, *OPAQUE_DTYPES])
def test_lossless_returns_every_bit(dtype: str, order: str) -> None:
    volume = make_array(dtype, VOLUME.shape, order, 5)
    made = create({}, volume, MedROI.lossless(), order=order)
    found = np.asarray(zarr.open_array(made.store, mode="r+", zarr_format=2)[...])
    assert found.dtype == volume.dtype
    assert found.tobytes() == volume.tobytes()


def test_the_call_of_the_documentation_works(tmp_path: Path) -> None:
    path = tmp_path / "scan.zarr"
    made = zarr.open(
        path,
        mode="w",
        zarr_format=2,
        shape=VOLUME.shape,
        chunks=CHUNKS,
        dtype="i2",
        compressor=MedROI(inner="zstd"),
    )
    made[...] = VOLUME
    again = zarr.open(path, mode="r")
    assert again.compressors == (MedROI("zstd"),)
    tissue = VOLUME[VOLUME > 0].mean() < VOLUME
    assert np.array_equal(again[...][tissue], VOLUME[tissue])


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_chunk_keeps_the_memory_order_of_the_array(order: str) -> None:
    store = CountingStore()
    create(store, VOLUME, MedROI(), order=order)
    stored = store.chunk("1.1.1")
    assert medroi.inspect(stored).order == order
    chunk = np.array(VOLUME[16:32, 16:32, 16:32], order=order)
    assert stored == MedROI().encode(chunk)


def test_tissue_is_exact_and_the_rest_is_background() -> None:
    store = CountingStore()
    made = create(store, VOLUME, MedROI(), chunks=VOLUME.shape)
    box = tuple(slice(*bounds) for bounds in medroi.inspect(store.chunk("0.0.0")).box)
    expected = np.zeros_like(VOLUME)
    expected[box] = VOLUME[box]
    assert np.array_equal(made[...], expected)


def test_writes_to_regions_leave_the_rest_alone() -> None:
    made, expected = create({}, VOLUME, MedROI.lossless()), VOLUME.copy()
    for region in (np.s_[3:20, 5, ::3], np.s_[39, 35, 33], np.s_[10:33, 20:30, 1:9]):
        made[region] = expected[region] = expected[region] + 7
        assert np.array_equal(made[...], expected)


def test_filters_before_it_hand_over_flat_data() -> None:
    from numcodecs import Delta, Shuffle

    for filters in ([Delta("<i2")], [Shuffle(2)]):
        made = create({}, VOLUME, MedROI(), filters=filters)
        assert np.array_equal(made[...], VOLUME)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_groups_hold_arrays_of_every_kind(kind: str, tmp_path: Path) -> None:
    store = {} if kind == "memory" else tmp_path / "scans.zarr"
    root = zarr.create_group(store, zarr_format=2)
    made = root.create_array(
        "head/t1", shape=VOLUME.shape, dtype="i2", chunks=CHUNKS, compressors=MedROI.lossless()
    )
    made[...] = VOLUME
    again = zarr.open_group(root.store, mode="r+")
    assert np.array_equal(again["head/t1"][...], VOLUME)


@pytest.mark.parametrize("offset", [3, 60, 130, -1])
def test_a_flipped_byte_is_an_error_out_of_zarr(offset: int) -> None:
    store = CountingStore()
    made = create(store, VOLUME, MedROI())
    stored = bytearray(store.chunk("1.1.1"))
    stored[offset] ^= 16
    store.replace_chunk("1.1.1", bytes(stored))
    with pytest.raises(errors.CorruptStream):
        made[20, 20, 20]


def edited(store: CountingStore, **changes: Any) -> zarr.Array:
    """The array, its `.zarray` edited."""
    metadata = json.loads(store.chunk(".zarray"))
    store.replace_chunk(".zarray", json.dumps({**metadata, **changes}).encode())
    return zarr.open_array(store, mode="r", zarr_format=2)


@pytest.mark.parametrize("region", [np.s_[...], np.s_[3], np.s_[20:30, 5, ::3]])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": "F"}, r"order C.*\.zarray.*says F"),
        ({"dtype": ">i2"}, r"<i2.*\.zarray.*says >i2"),
        ({"chunks": [8, 16, 32]}, r"\(16, 16, 16\).*says \(8, 16, 32\)"),
    ],
)
def test_metadata_that_would_lay_voxels_out_otherwise_are_an_error(
    changes: dict[str, Any], message: str, region: Any
) -> None:
    store = CountingStore()
    create(store, VOLUME, MedROI.lossless())
    with pytest.raises(errors.CorruptStream, match=message):
        edited(store, **changes)[region]


def test_an_order_that_changes_nothing_is_none_of_our_business() -> None:
    store, volume = CountingStore(), VOLUME[:, :1, :1]
    create(store, volume, MedROI.lossless(), chunks=(16, 1, 1))
    assert np.array_equal(edited(store, order="F")[...], volume)
