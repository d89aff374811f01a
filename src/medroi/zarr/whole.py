"""Arrays written in whole chunks, so that every chunk is coded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from threading import Event
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scan_region import ScanRegion
from medroi.selection import narrow
from medroi.threads import in_order, n_threads_of
from medroi.zarr.crops import CroppedTarget, state

Block = tuple[slice, ...]


def write(
    array: Any,
    data: Any,
    *,
    region: ScanRegion | None = None,
    selection: Any = (),
    threads: int | None = None,
) -> None:
    """Write a Zarr array, or a part of it that is cut along its chunks, every chunk once.

    A chunk that is written in several pieces is decoded and coded again with each of them. A lossy
    inner codec then changes it each time, and a threshold judges what is not yet complete. Here
    every chunk is coded once, from all of its voxels; of a sharded array every shard, so that no
    two writers meet in one.

    Parameters
    ----------
    array : zarr.Array
        Of format 2 or 3, with any codecs, sharded or not.
    data : array_like
        A numpy array, a dask array, or anything that gives numpy arrays for slices, such as an
        h5py dataset, which is then read block by block. Of the array's dtype.
    region : ScanRegion, optional
        What is kept of the whole scan, such as `MedROI.fit(scan).region`: every chunk gets its crop
        of it, and the codec drops nothing else. All other voxels become the background, which has
        to be the array's fill value. The attribute ``medroi_region`` says what was dropped.
    selection : slices, optional
        As in `array[selection] = data`; nothing is the whole array. It has to hold each of its
        chunks, or shards, to the end.
    threads : int, optional
        Blocks written at a time; None is one per available core, and with dask what its
        scheduler does by default.

    Raises
    ------
    InvalidArgument
        For a selection that holds a part of a chunk, for data of another shape or dtype, and for
        the region of another scan. Nothing has been written then.
    """
    block_shape = tuple(array.shards or array.chunks)
    bounds = _aligned_bounds(selection, array.shape, block_shape)
    shape = tuple(stop - start for start, stop in bounds)
    values = data if hasattr(data, "shape") and hasattr(data, "dtype") else np.asarray(data)
    if tuple(values.shape) != shape:
        raise InvalidArgument(f"found data of shape {tuple(values.shape)}, expected {shape}")
    if np.dtype(values.dtype).newbyteorder("=") != np.dtype(array.dtype).newbyteorder("="):
        raise InvalidArgument(
            f"found data of dtype {values.dtype}, expected the array's {array.dtype}: write "
            "converts no values; pass data.astype(array.dtype) if that loses nothing"
        )
    n_threads = n_threads_of(threads)
    target = array if region is None else CroppedTarget(array, region)
    if region is not None:
        state(array, region)
    if hasattr(values, "__dask_graph__") and hasattr(values, "rechunk"):
        _store_dask(target, values, bounds, block_shape, threads)
        return

    has_failed = Event()

    def write_block(place: Block) -> None:
        if has_failed.is_set():
            return
        source = tuple(
            slice(part.start - low, part.stop - low)
            for part, (low, _) in zip(place, bounds, strict=True)
        )
        try:
            target[place] = np.asarray(values[source])
        except BaseException:
            has_failed.set()
            raise

    blocks = _blocks(bounds, block_shape)
    for _ in in_order(write_block, blocks, n_threads):
        pass


def _aligned_bounds(
    selection: Any, shape: Sequence[int], block_shape: Sequence[int]
) -> list[tuple[int, int]]:
    """Bounds of a selection of whole chunks or shards."""
    narrowed = narrow(selection, tuple(shape))
    items = selection if isinstance(selection, tuple) else (selection,)
    if not all(
        item is Ellipsis or (isinstance(item, slice) and item.step in (None, 1)) for item in items
    ):
        raise InvalidArgument(f"selection {selection!r}: expected slices of step 1")
    for axis, (start, stop) in enumerate(narrowed.bounds):
        size, edge = shape[axis], block_shape[axis]
        if start < stop and (start % edge or (stop % edge and stop != size)):
            raise InvalidArgument(
                f"selection {selection!r} holds a part of a chunk: along axis {axis} it runs from "
                f"{start} to {stop}, expected multiples of {edge} (or the end, {size}). Collect "
                "the voxels of whole chunks first, or use array[...] = data with a lossless codec"
            )
    return list(narrowed.bounds)


def _blocks(bounds: Sequence[tuple[int, int]], block_shape: Sequence[int]) -> Iterator[Block]:
    starts = [
        range(start, stop, edge) for (start, stop), edge in zip(bounds, block_shape, strict=True)
    ]
    for corner in product(*starts):
        yield tuple(
            slice(low, min(low + edge, stop))
            for low, edge, (_, stop) in zip(corner, block_shape, bounds, strict=True)
        )


def _store_dask(
    target: Any,
    values: Any,
    bounds: Sequence[tuple[int, int]],
    block_shape: Sequence[int],
    threads: int | None,
) -> None:
    """Store a dask array, its blocks cut as the chunks are, so that no lock is needed."""
    from dask.array import store

    whole = values.rechunk(tuple(block_shape))
    region = tuple(slice(*pair) for pair in bounds)
    options: dict[str, Any] = {} if threads is None else {"num_workers": threads}
    store([whole], [target], regions=[region], lock=False, compute=True, **options)
