"""The chunks of a scan, as a store gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument

# A 4-D scan above this is cut into its 3-D volumes, so that one of them can be read alone.
LARGE_NBYTES = 1 << 30

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


def chunk_shape(
    shape: tuple[int, ...], nbytes: int, chunks: Sequence[int] | str
) -> tuple[int, ...]:
    """Turn what was asked for into one size per axis."""
    if isinstance(chunks, str):
        if chunks != "volume":
            raise InvalidArgument(f"chunks is {chunks!r}; expected 'volume' or sizes")
        if len(shape) > 3 and nbytes > LARGE_NBYTES:
            return shape[:3] + (1,) * (len(shape) - 3)
        return shape
    sizes = tuple(int(size) for size in chunks)
    if len(sizes) == 1:
        sizes *= min(3, len(shape))
    if not 1 <= len(sizes) <= len(shape) or min(sizes) < 1:
        raise InvalidArgument(
            f"chunks is {tuple(chunks)}; expected one size of at least 1, or one for each of up to "
            f"{len(shape)} axes"
        )
    return tuple(min(a, b) for a, b in zip(sizes, shape)) + shape[len(sizes) :]  # noqa: B905
