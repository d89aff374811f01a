"""Whole arrays for a search, without a copy in memory of those that come in chunks.

A region is found exactly, in the array as a whole: the threshold, the bodies and the groups of
signal do not stop at a chunk. A dask, Zarr or HDF5 array above a size is therefore copied once, a
slab of chunks at a time, into a file without a name, of which the operating system holds in memory
what it has room for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from medroi import arrays
from medroi.working_memory import WorkingMemory

# Smaller arrays are read into memory: a file would cost more than it saves.
IN_MEMORY_NBYTES = 1 << 28


@contextlib.contextmanager
def opened_whole(array: Any, memory: WorkingMemory) -> Iterator[arrays.Array]:
    """Give the whole of an array, C or F contiguous, while the block runs.

    Parameters
    ----------
    array : array_like
        Arrays with ``chunks``, a ``dtype`` and a ``shape`` are read a slab of chunks along the
        first axis at a time; numpy arrays are given as they are.
    memory : WorkingMemory
        That may be used.

    Raises
    ------
    InvalidType, InvalidArgument
        For what no stream can hold.
    """
    slabs = _slabs_of(array, min(IN_MEMORY_NBYTES, memory.array_nbytes))
    if slabs is None:
        yield arrays.as_dense(np.asarray(array))
        return
    dtype = np.dtype(array.dtype)
    arrays.check_dtype(dtype)
    arrays.check_ndim(len(array.shape))
    whole = memory.array_in_file(tuple(array.shape), dtype)
    for start, stop in slabs:
        whole[start:stop] = np.asarray(array[start:stop])
    yield whole


def _slabs_of(array: Any, in_memory_nbytes: int) -> list[tuple[int, int]] | None:
    """Bounds of slabs of whole chunks along the first axis; None of what is not cut or is small."""
    chunks, shape = getattr(array, "chunks", None), getattr(array, "shape", ())
    if isinstance(array, np.ndarray) or not chunks or not shape or 0 in shape:
        return None
    if np.dtype(array.dtype).itemsize * int(np.prod(shape, dtype=np.int64)) <= in_memory_nbytes:
        return None
    # Zarr and HDF5 have one size for all chunks of an axis, dask the size of each.
    first = (getattr(array, "shards", None) or chunks)[0]
    sizes = first if isinstance(first, tuple) else [first] * -(-shape[0] // first)
    stops = np.minimum(np.cumsum(sizes), shape[0]).tolist()
    return list(zip([0, *stops[:-1]], stops, strict=True))
