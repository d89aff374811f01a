"""Whole chunks in and out of a dataset with several threads.

HDF5 runs one filter at a time. Here the chunks are coded beside it, by the same code, and only
their bytes go through HDF5: `write_direct_chunk` and `read_direct_chunk`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.hdf5 import ranges
from medroi.hdf5.crops import Crops
from medroi.hdf5.dataset import Chunked, open_chunked
from medroi.hdf5.selection import Bounds, normalize
from medroi.scan_region import ScanRegion
from medroi.threads import in_order, n_threads_of

Array = npt.NDArray[Any]


def write(
    dataset: Any,
    array: Any,
    selection: Any = (),
    *,
    region: ScanRegion | None = None,
    threads: int | None = None,
) -> None:
    """Write whole chunks, each once; the bytes are those of `dataset[...] = array`.

    Parameters
    ----------
    dataset : h5py.Dataset
        Chunked, with this filter and no other.
    array : array_like
        Of the selection's shape.
    selection : slices, optional
        Where the array goes; nothing is the whole dataset. It begins and ends where chunks do, or
        at the end of the dataset: `dataset[selection] = array` takes any other, but decodes and
        encodes a chunk at every write that covers a part of it.
    region : ScanRegion, optional
        What is kept of the whole scan, such as `MedROI.fit(scan).region`: every chunk gets its crop
        of it, and the filter drops nothing else. All other voxels become the background, which has
        to be the dataset's fill value. The attribute ``medroi_region`` says what was dropped.
    threads : int, optional
        Chunks coded at a time; None is one per available core.

    Raises
    ------
    InvalidArgument
        For parts of chunks, other shapes, dtypes that would lose values, and datasets with other
        filters.
    CorruptStream
        For damaged files.
    """
    chunked = open_chunked(dataset)
    bounds = _whole_chunks(chunked, selection)
    shape = tuple(stop - start for start, stop in bounds)
    values = np.asarray(array)
    if values.shape != shape:
        raise InvalidArgument(f"found an array of shape {values.shape}, expected {shape}")
    if not np.can_cast(values.dtype, dataset.dtype, "safe"):
        raise InvalidArgument(
            f"an array of dtype {values.dtype} does not fit the dataset's {dataset.dtype} without "
            "loss: convert it first"
        )
    crops = None if region is None else Crops(chunked, region)
    offsets = list(_offsets(chunked, bounds)) if values.size else []
    first = [start for start, _ in bounds]

    def encode(offset: tuple[int, ...]) -> bytes:
        chunk = _chunk_of(
            values, [at - low for at, low in zip(offset, first, strict=True)], chunked
        )
        if crops is not None:
            return crops.encode(offset, chunk)
        memory = chunk.reshape(-1).view(np.uint8)
        stream: bytes = chunked.plugin.encode(chunked.words, memory)
        return stream

    streams = in_order(encode, offsets, n_threads_of(threads))
    for stream, offset in zip(streams, offsets, strict=True):
        with chunked.errors():
            dataset.id.write_direct_chunk(offset, stream)
    if crops is not None:
        crops.state()


def read(dataset: Any, selection: Any = (), *, threads: int | None = None) -> Array:
    """Read a dataset or a part of it; the values are those of `dataset[selection]`.

    Of chunks that the selection covers in part, only the slabs that it touches are read and
    decoded, where the dataset lies in a plain file.

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
    CorruptStream
        For damaged streams and files.
    UnsupportedVersion, InnerUnavailable
    """
    chunked = open_chunked(dataset)
    bounds, steps = normalize(selection, dataset.shape)
    with chunked.errors():
        result = np.empty([stop - start for start, stop in bounds], dataset.dtype)
    strides = [(item.step or 1) if isinstance(item, slice) else 1 for item in steps]
    offsets = [] if result.size == 0 else list(_offsets(chunked, bounds, strides))
    with chunked.errors():
        descriptor = ranges.descriptor_of(dataset)

    def decode(job: tuple[tuple[int, ...], bytes | Array | None]) -> None:
        with chunked.naming(job[0]):
            place(*job)

    def place(offset: tuple[int, ...], stored: bytes | Array | None) -> None:
        target, source = _overlap(offset, chunked.chunks, bounds)
        if stored is _PART:
            wanted = _wanted(chunked, offset, bounds, strides)
            stored = _read_part(chunked, descriptor, offset, source, wanted)
        part = result[target]
        if stored is None:
            part[...] = chunked.fill_value
        elif not isinstance(stored, bytes):
            part[...] = stored
        elif part.shape == chunked.chunks and part.flags.c_contiguous:
            _decode_whole(chunked, stored, part)
        else:
            chunk = np.empty(chunked.chunks, dataset.dtype)
            _decode_whole(chunked, stored, chunk)
            part[...] = chunk[source]

    def stored(offset: tuple[int, ...]) -> bytes | Array | None:
        wanted = _wanted(chunked, offset, bounds, strides)
        covers = tuple(map(len, wanted)) == chunked.chunks
        return _PART if descriptor is not None and not covers else chunked.read_stream(offset)

    jobs = ((offset, stored(offset)) for offset in offsets)
    for _ in in_order(decode, jobs, n_threads_of(threads)):
        pass
    selected: Array = result[steps]
    return selected


# Of a chunk: a part of it is wanted, and not read yet.
_PART: Array = np.empty(0)


def _read_part(
    chunked: Chunked,
    descriptor: int | None,
    offset: tuple[int, ...],
    source: tuple[slice, ...],
    wanted: Sequence[range],
) -> bytes | Array | None:
    """The voxels in question, or the chunk's whole stream where its parts cannot be reached."""
    limits = [(part.start, part.stop) for part in source]
    found = None
    if descriptor is not None:
        with chunked.errors():
            found = ranges.read_selection(chunked, descriptor, offset, limits, wanted)
    return chunked.read_stream(offset) if found is None else found


def _decode_whole(chunked: Chunked, stream: bytes, chunk: Array) -> None:
    memory = chunk.reshape(-1).view(np.uint8)
    chunked.plugin.decode(chunked.words_to_read, stream, memory)


def _whole_chunks(chunked: Chunked, selection: Any) -> Bounds:
    shape = chunked.dataset.shape
    bounds, steps = normalize(selection, shape)
    for axis, ((start, stop), step) in enumerate(zip(bounds, steps, strict=True)):
        size, end = chunked.chunks[axis], shape[axis]
        if not isinstance(step, slice) or (step.step or 1) != 1:
            raise InvalidArgument(
                f"selection {selection!r}: only slices without a step can be written"
            )
        if start % size or (stop % size and stop != end):
            raise InvalidArgument(
                f"selection {selection!r} covers chunks in part: along axis {axis} it goes from "
                f"{start} to {stop}, and chunks of {size} begin at multiples of {size}; write "
                "whole chunks, or use dataset[selection] = array, which decodes and encodes "
                "again what it covers in part"
            )
    return bounds


def _wanted_along(at: int, size: int, bounds: tuple[int, int], step: int) -> range:
    """Of the chunk that begins at `at`, the indices that a strided selection takes."""
    start, stop = bounds
    first = max(at, start)
    first += (start - first) % step
    return range(first - at, min(at + size, stop) - at, step)


def _wanted(
    chunked: Chunked, offset: Sequence[int], bounds: Bounds, strides: Sequence[int]
) -> list[range]:
    along = zip(offset, chunked.chunks, bounds, strides, strict=True)
    return [_wanted_along(*axis) for axis in along]


def _offsets(
    chunked: Chunked, bounds: Bounds, strides: Sequence[int] | None = None
) -> Iterator[tuple[int, ...]]:
    """First voxels of the chunks that a selection touches."""
    axes = []
    for size, pair, step in zip(chunked.chunks, bounds, strides or [1] * len(bounds), strict=True):
        grid = range(pair[0] // size * size, pair[1], size)
        axes.append([at for at in grid if _wanted_along(at, size, pair, step)])
    return product(*axes)


def _chunk_of(values: Array, offset: Sequence[int], chunked: Chunked) -> Array:
    """One chunk of an array, padded with the fill value where it reaches past the edge."""
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
