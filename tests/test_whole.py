"""Whole arrays for a search, read a slab of chunks at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arrays import phantom

from medroi import MedROI, whole
from medroi.errors import InvalidType
from medroi.working_memory import of_machine


class InChunks:
    """An array that comes in chunks, and notes what is read of it."""

    def __init__(self, values: np.ndarray, chunks: tuple[Any, ...]) -> None:
        self.values, self.chunks, self.read = values, chunks, list[tuple[int, int]]()
        self.shape, self.dtype = values.shape, values.dtype

    def __getitem__(self, where: slice) -> np.ndarray:
        self.read.append((where.start, where.stop))
        return self.values[where]

    def __array__(self, *_args: Any, **_options: Any) -> np.ndarray:
        raise AssertionError("all of it was asked for at once")


@pytest.fixture
def small_limit(monkeypatch) -> None:
    monkeypatch.setattr(whole, "IN_MEMORY_NBYTES", 1000)


@pytest.mark.parametrize(
    ("chunks", "slabs"),
    [
        ((16, 20, 30), [(0, 16), (16, 32), (32, 40)]),
        (((10, 30), (48,), (44,)), [(0, 10), (10, 40)]),
    ],
)
def test_an_array_in_chunks_is_read_slab_by_slab(small_limit, chunks: Any, slabs: Any) -> None:
    head = phantom((40, 48, 44))
    lazy = InChunks(head, chunks)
    fitted = MedROI.fit(lazy, roi="mask", background=0)
    known = MedROI.fit(head, roi="mask", background=0)
    assert lazy.read == slabs
    assert fitted.get_config() == known.get_config()
    assert np.array_equal(fitted.region.kept(), known.region.kept())


def test_a_zarr_array_with_shards_is_read_shard_by_shard(small_limit, tmp_path) -> None:
    import zarr

    head = phantom((40, 48, 44))
    stored = zarr.create_array(
        tmp_path / "head.zarr",
        shape=head.shape,
        dtype=head.dtype,
        chunks=(8, 8, 8),
        shards=(16, 48, 48),
    )
    stored[...] = head
    with whole.opened_whole(stored, of_machine()) as found:
        assert np.array_equal(found, head)
        assert found.flags.c_contiguous
    assert whole._slabs_of(stored, 1000) == [(0, 16), (16, 32), (32, 40)]


def test_small_arrays_and_numpy_arrays_are_taken_as_they_are(small_limit) -> None:
    head = phantom((40, 48, 44))
    with whole.opened_whole(head, of_machine()) as found:
        assert found is head
    assert whole._slabs_of(InChunks(head[:1, :2, :2], (1, 1, 1)), 1000) is None


def test_elements_that_no_stream_holds_are_refused(small_limit) -> None:
    lazy = InChunks(np.zeros((4000, 2), object), (10, 2))
    with pytest.raises(InvalidType), whole.opened_whole(lazy, of_machine()):
        pass
