"""`medroi.zarr.write`: every chunk coded once, from all of its voxels."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from arrays import phantom
from counting_store import CountingStore

import medroi.zarr
from medroi import MedROI, errors
from medroi.zarr import MedROICodec

dask_array = pytest.importorskip("dask.array")

VOLUME = phantom((40, 36, 34))
LOSSY = MedROICodec({"id": "wavelet3d", "max_error": 8}, threshold=None)


class WritesCountingStore(CountingStore):
    """Remembers which keys were written, and how many times."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    async def set(self, key: str, value: Any) -> None:
        """See `Store.set`."""
        self.writes.append(key)
        await super().set(key, value)

    def set_sync(self, key: str, value: Any) -> None:
        """See `Store.set_sync`."""
        self.writes.append(key)
        super().set_sync(key, value)


def create(store: Any = None, codec: Any = None, **options: Any) -> zarr.Array:
    options = {"chunks": (16, 16, 16), "dtype": VOLUME.dtype, "fill_value": 0, **options}
    if options.get("zarr_format") == 2:
        options |= {"compressors": codec or MedROI.lossless(), "filters": None}
    else:
        options |= {"serializer": codec or MedROICodec.lossless(), "compressors": None}
    return zarr.create_array({} if store is None else store, shape=VOLUME.shape, **options)


LAYOUTS = {
    "format 3": {},
    "format 2": {"zarr_format": 2},
    "shards": {"shards": (32, 32, 32)},
    "one chunk": {"chunks": VOLUME.shape},
    "shard beyond the end": {"shards": (48, 48, 48)},
}
each_layout = pytest.mark.parametrize("layout", LAYOUTS)


@each_layout
@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("kind", ["numpy", "F order", "big-endian", "dask", "h5py", "zarr"])
def test_what_is_written_is_read_back(
    kind: str, threads: int | None, layout: str, tmp_path: Path
) -> None:
    made = create(**LAYOUTS[layout])
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        data = {
            "numpy": VOLUME,
            "F order": np.asfortranarray(VOLUME),
            "big-endian": VOLUME.astype(">i2"),
            "dask": dask_array.from_array(VOLUME, chunks=(7, 36, 5)),
            "h5py": file.create_dataset("scan", data=VOLUME),
            "zarr": zarr.array(VOLUME, chunks=(10, 10, 10)),
        }[kind]
        medroi.zarr.write(made, data, threads=threads)
    assert np.array_equal(made[...], VOLUME)


@each_layout
@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_every_chunk_is_written_once(kind: str, layout: str) -> None:
    store = WritesCountingStore()
    made = create(store, **LAYOUTS[layout])
    before = len(store.writes)
    data = VOLUME if kind == "numpy" else dask_array.from_array(VOLUME, chunks=(5, 9, 34))
    medroi.zarr.write(made, data)
    written = store.writes[before:]
    assert len(written) == len(set(written)) > 0


@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_a_lossy_inner_codec_keeps_its_bound(shards: Any) -> None:
    made = create(codec=LOSSY, shards=shards)
    for _ in range(3):
        medroi.zarr.write(made, VOLUME)
        assert np.abs(made[...].astype("i4") - VOLUME).max() <= 8


def test_a_fitted_threshold_keeps_what_one_write_keeps() -> None:
    codec = MedROICodec.fit(VOLUME, chunks=(16, 16, 16), threshold="mean")
    once, blocks = create(codec=codec), create(codec=codec)
    once[...] = VOLUME
    medroi.zarr.write(blocks, VOLUME, threads=2)
    assert np.array_equal(once[...], blocks[...])


@pytest.mark.parametrize(
    ("selection", "shape"),
    [
        (np.s_[:16], (16, 36, 34)),
        (np.s_[16:32, ..., 16:], (16, 36, 18)),
        (np.s_[32:], (8, 36, 34)),
        (np.s_[16:40, :32, -2:], (24, 32, 2)),
        (np.s_[:0], (0, 36, 34)),
    ],
)
@pytest.mark.parametrize("kind", ["numpy", "dask"])
def test_a_selection_of_whole_chunks_is_written(
    kind: str, selection: Any, shape: tuple[int, ...]
) -> None:
    made, expected = create(), np.zeros_like(VOLUME)
    data = VOLUME[selection]
    assert data.shape == shape
    expected[selection] = data
    whole = dask_array.from_array(data, chunks=5) if kind == "dask" and data.size else data
    medroi.zarr.write(made, whole, selection=selection)
    assert np.array_equal(made[...], expected)


@pytest.mark.parametrize("kind", ["numpy", "dask"])
@pytest.mark.parametrize(
    ("selection", "options", "message"),
    [
        (np.s_[3:16], {}, "axis 0 it runs from 3 to 16"),
        (np.s_[:, :20], {}, "axis 1 it runs from 0 to 20"),
        (np.s_[:16], {"shards": (32, 32, 32)}, "multiples of 32"),
        (np.s_[4], {}, "step 1"),
        (np.s_[::2], {}, "step 1"),
        (np.s_[::-1], {}, "step 1"),
        (([0, 1],), {}, "step 1"),
    ],
)
def test_parts_of_chunks_are_refused_before_anything_is_written(
    selection: Any, options: dict[str, Any], message: str, kind: str
) -> None:
    store = WritesCountingStore()
    made = create(store, **options)
    before = len(store.writes)
    data = VOLUME[selection]
    with pytest.raises(errors.InvalidArgument, match=message):
        medroi.zarr.write(
            made, dask_array.from_array(data) if kind == "dask" else data, selection=selection
        )
    assert len(store.writes) == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (VOLUME[:-1], r"shape \(39, 36, 34\)"),
        (VOLUME[0], "shape"),
        (VOLUME.astype("f4"), "float32.*int16.*converts no values"),
        (VOLUME.astype("u2"), "uint16.*int16"),
        (dask_array.from_array(VOLUME.astype("i4")), "int32.*int16"),
    ],
)
def test_data_that_would_have_to_be_converted_are_refused(data: Any, message: str) -> None:
    store = WritesCountingStore()
    made = create(store)
    before = len(store.writes)
    with pytest.raises(errors.InvalidArgument, match=message):
        medroi.zarr.write(made, data)
    with pytest.raises(errors.InvalidArgument, match="threads"):
        medroi.zarr.write(made, VOLUME, threads=0)
    assert len(store.writes) == before


class FailingData:
    """Data that cannot be read beyond its first blocks."""

    shape, dtype = VOLUME.shape, VOLUME.dtype

    def __init__(self) -> None:
        self.n_reads = 0
        self.lock = threading.Lock()

    def __getitem__(self, place: Any) -> np.ndarray:
        with self.lock:
            self.n_reads += 1
            if self.n_reads > 3:
                raise OSError("unreadable")
        return VOLUME[place]


def test_data_that_cannot_be_read_are_an_error_and_end_the_writing() -> None:
    data = FailingData()
    with pytest.raises(OSError, match="unreadable"):
        medroi.zarr.write(create(), data, threads=1)
    assert data.n_reads < 27
