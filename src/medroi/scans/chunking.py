"""The chunks of a scan, as a store gets them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Selection = tuple[slice, ...]


def selections(shape: tuple[int, ...], cut: tuple[int, ...]) -> Iterator[Selection]:
    """Where each chunk lies in the array; the last axis is outermost, as in the scan's file."""
    starts = [range(0, size, step) for size, step in zip(shape, cut, strict=True)]
    for corner in product(*starts[::-1]):
        yield tuple(
            slice(at, min(at + step, size))
            for at, step, size in zip(corner[::-1], cut, shape, strict=True)
        )


def padded(
    voxels: npt.NDArray[Any], cut: tuple[int, ...], background: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Fill a chunk at the edge up with background, as Zarr does."""
    if voxels.shape == cut:
        return np.asfortranarray(voxels)
    chunk = np.full(cut, background, dtype=voxels.dtype, order="F")
    chunk[tuple(slice(size) for size in voxels.shape)] = voxels
    return chunk


def count_chunks(shape: tuple[int, ...], chunks: tuple[int, ...]) -> int:
    """Number of chunks that an array is cut into."""
    count = 1
    for size, chunk in zip(shape, chunks, strict=True):
        count *= -(-size // chunk)
    return count
