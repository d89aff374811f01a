"""Whole chunks in and out of a dataset with several threads.

HDF5 runs one filter at a time. Here the chunks are coded beside it, by the same code, and only
their bytes go through HDF5: `write_direct_chunk` and `read_direct_chunk`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.hdf5.dataset import Chunked, open_chunked
from medroi.hdf5.selection import Bounds, normalize
from medroi.plugins import interface as plugin

Array = npt.NDArray[Any]


def write(dataset: Any, array: Any, *, threads: int | None = None) -> None:
    """Write a whole dataset; the bytes are those of `dataset[...] = array`.

    Parameters
    ----------
    dataset : h5py.Dataset
        Chunked, with this filter and no other.
    array : array_like
        Of the dataset's shape.
    threads : int, optional
        Chunks coded at a time; None is one per available core.

    Raises
    ------
    InvalidArgument
        For datasets with other filters, other shapes, and dtypes that would lose values.
    """
    chunked = open_chunked(dataset)
    values = np.asarray(array)
    if values.shape != dataset.shape:
        raise InvalidArgument(f"found an array of shape {values.shape}, expected {dataset.shape}")
    if not np.can_cast(values.dtype, dataset.dtype, "safe"):
        raise InvalidArgument(
            f"an array of dtype {values.dtype} does not fit the dataset's {dataset.dtype} without "
            "loss: convert it first"
        )
    offsets = list(_offsets(chunked, [(0, size) for size in dataset.shape]))

    def encode(offset: tuple[int, ...]) -> bytes:
        chunk = _chunk_of(values, offset, chunked)
        return plugin.encode(chunked.interface, chunked.words, chunk.reshape(-1).view(np.uint8))

    for offset, stream in _in_order(encode, offsets, _thread_count(threads)):
        dataset.id.write_direct_chunk(offset, stream)


def read(dataset: Any, selection: Any = (), *, threads: int | None = None) -> Array:
    """Read a dataset or a part of it; the values are those of `dataset[selection]`.

    Parameters
    ----------
    dataset : h5py.Dataset
        Chunked, with this filter and no other.
    selection : slices and ints, optional
        As in `dataset[selection]`; nothing is the whole dataset.
    threads : int, optional
        Chunks decoded at a time; None is one per available core.

    Raises
    ------
    InvalidArgument
        For datasets with other filters and for selections that are no slices or ints.
    CorruptStream, UnsupportedVersion, InnerUnavailable
    """
    chunked = open_chunked(dataset)
    bounds, steps = normalize(selection, dataset.shape)
    result = np.empty([stop - start for start, stop in bounds], dataset.dtype)
    offsets = [] if result.size == 0 else list(_offsets(chunked, bounds))
    stored: Callable[[tuple[int, ...]], bytes | None] = chunked.read_stream

    def decode(job: tuple[tuple[int, ...], bytes | None]) -> None:
        offset, stream = job
        target, source = _overlap(offset, chunked.chunks, bounds)
        if stream is None:
            result[target] = chunked.fill_value
            return
        part = result[target]
        if part.shape == chunked.chunks and part.flags.c_contiguous:
            plugin.decode(chunked.interface, chunked.words, stream, part.reshape(-1).view(np.uint8))
            return
        chunk = np.empty(chunked.chunks, dataset.dtype)
        plugin.decode(chunked.interface, chunked.words, stream, chunk.reshape(-1).view(np.uint8))
        part[...] = chunk[source]

    jobs = ((offset, stored(offset)) for offset in offsets)
    for _ in _in_order(decode, jobs, _thread_count(threads)):
        pass
    selected: Array = result[steps]
    return selected


def _thread_count(threads: int | None) -> int:
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if not isinstance(threads, int) or threads < 1:
        raise InvalidArgument(f"threads={threads!r}: expected a whole number of at least 1")
    return threads


def _in_order(work: Callable[[Any], Any], jobs: Any, threads: int) -> Iterator[tuple[Any, Any]]:
    """Run jobs in threads and give their results in order, few of them at a time."""
    waiting: deque[tuple[Any, Future[Any]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="medroi") as pool:
        try:
            for job in jobs:
                waiting.append((job, pool.submit(work, job)))
                if len(waiting) > 2 * threads:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _offsets(chunked: Chunked, bounds: Bounds) -> Iterator[tuple[int, ...]]:
    """First voxels of the chunks that the bounds touch."""
    ranges = [
        range(start // size * size, stop, size)
        for (start, stop), size in zip(bounds, chunked.chunks, strict=True)
    ]
    return product(*ranges)


def _chunk_of(values: Array, offset: Sequence[int], chunked: Chunked) -> Array:
    """One chunk of an array, filled up with the fill value where it reaches past the edge."""
    inside = values[
        tuple(slice(at, at + size) for at, size in zip(offset, chunked.chunks, strict=True))
    ]
    if inside.shape == chunked.chunks:
        return np.ascontiguousarray(inside, dtype=chunked.dtype)
    chunk = np.full(chunked.chunks, chunked.padding, dtype=chunked.dtype)
    chunk[tuple(slice(size) for size in inside.shape)] = inside
    return chunk


def _overlap(
    offset: Sequence[int], chunks: Sequence[int], bounds: Bounds
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a chunk lies in the result, and which part of the chunk that is."""
    target, source = [], []
    for at, size, (start, stop) in zip(offset, chunks, bounds, strict=True):
        low, high = max(at, start), min(at + size, stop)
        target.append(slice(low - start, high - start))
        source.append(slice(low - at, high - at))
    return tuple(target), tuple(source)
