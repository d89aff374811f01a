"""Chunks of a store, each read once and decoded once, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from medroi import codec as codecs
from medroi.scans.chunking import Selection
from medroi.scans.stores.digests import VoxelsDigest
from medroi.scans.stores.group.array import ScanArray
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.zarr_array import Advance, each_stream, medroi_codec
from medroi.threads import in_order
from medroi.working_memory import WorkingMemory

Result = TypeVar("Result")


@dataclass(frozen=True)
class Chunk:
    """One chunk of a store.

    Attributes
    ----------
    position : tuple of int
        In the grid of chunks.
    selection : tuple of slice
        The part of the array that it holds.
    stream : bytes
        As it is stored; empty where there is none.
    voxels : ndarray
        What the array has there.
    """

    position: tuple[int, ...]
    selection: Selection
    stream: bytes
    voxels: npt.NDArray[Any]


def each_chunk(
    path: Path, array: Any, threads: int, work: Callable[[Chunk], Result]
) -> Iterator[tuple[Chunk, Result]]:
    """Give every chunk and what is made of it, in the order of `chunk_selections`.

    Parameters
    ----------
    path : Path
        Of the store.
    array : Zarr array, ScanArray or Hdf5Array
        From `open_array`.
    threads : int
        Chunks that are decoded and worked on at a time. Of HDF5 files one is.
    work : callable
        Gets a chunk, its axes those of the scan.
    """
    decode = _decoder_of(array, threads if array.nchunks == 1 else 1)

    def worked(found: tuple[tuple[int, ...], Selection, bytes | None]) -> tuple[Chunk, Result]:
        position, selection, stream = found
        if decode is None or not stream:
            voxels = np.asarray(array[selection])
        else:
            inside = tuple(slice(0, part.stop - part.start) for part in selection)
            voxels = decode(stream)[inside]
        chunk = Chunk(position, selection, stream or b"", voxels)
        return chunk, work(chunk)

    yield from in_order(worked, each_stream(path, array), 1 if decode is None else threads)


def _decoder_of(array: Any, threads: int) -> Any:
    """Make a function that decodes a stream; None where other codecs stand around ours."""
    if isinstance(array, Hdf5Array):
        return None
    stored = array.stored if isinstance(array, ScanArray) else array
    made = medroi_codec(array)
    if made is None or stored.metadata.zarr_format == 2:
        # Of format 2 the metadata have a say in order and byte order.
        return None
    inside = getattr(stored.serializer, "codecs", (stored.serializer,))
    if tuple(inside) != (made,) or stored.filters or stored.compressors:
        return None
    is_turned = isinstance(array, ScanArray) and array.axes_reversed

    def decode(stream: bytes) -> npt.NDArray[Any]:
        chunk = codecs.decode(
            stream,
            shape=tuple(stored.chunks),
            dtype=np.dtype(stored.dtype),
            threads=threads,
            reading=made.reading,
        )
        return np.asarray(chunk.T if is_turned else chunk)

    return decode


def read_whole(
    path: Path, array: Any, threads: int, advance: Advance, memory: WorkingMemory
) -> tuple[npt.NDArray[Any], str]:
    """Read all voxels, in Fortran order and native byte order; and their digest."""
    voxels = memory.array(array.shape, array.dtype.newbyteorder("="), "F")

    def put(chunk: Chunk) -> None:
        voxels[chunk.selection] = chunk.voxels

    digest, n_digested = VoxelsDigest(array.shape, array.dtype, memory), 0
    for chunk, _ in each_chunk(path, array, threads, put):
        # The last axis is outermost: all before the slab of this chunk is there.
        start = chunk.selection[-1].start
        digest.add_slab(voxels[..., n_digested:start])
        n_digested = start
        advance(1)
    digest.add_slab(voxels[..., n_digested:])
    return voxels, digest.hexdigest()
