"""Elements of any type as indices of at most 16 bits, one map for all parts of a region."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner import slices
from medroi.inner.base import Array

Ints = npt.NDArray[np.int32]
MAX_INDEX = 65535


@dataclass(frozen=True)
class Indexing:
    """Map from a region's elements to indices.

    Attributes
    ----------
    offset : int
        An element of at most 16 bits is index + offset.
    values : ValueMap, optional
        For wider elements: a map without a table (FORMAT.md); the offset is 0 then.
    """

    offset: int
    values: Any = None

    def of(self, part: Array) -> Ints:
        """The indices of the region or a part of it, [slices, height, width]."""
        if self.values is not None:
            return slices.indices_of(self.values, part)
        indices = part.astype(np.int32) - np.int32(self.offset)
        return indices.reshape(slices_shape(part.shape))

    def head(self, part: Array) -> bytes:
        """The map as a part stores it; nothing without one."""
        return b"" if self.values is None else slices.map_bytes(self.values, part)


def slices_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A part's shape as slices, height, width."""
    height, width = slices.slice_shape(shape)
    return (math.prod(shape) // (height * width), height, width)


def is_short(dtype: np.dtype[Any]) -> bool:
    """Whether elements are integers of at most 16 bits."""
    return dtype.kind in "iu" and dtype.itemsize <= 2


def find(region: Array) -> Indexing:
    """Find the map from the elements of a region to indices.

    Raises
    ------
    InvalidArgument
        For elements that are not integers of 16 bits on some scale.
    """
    if is_short(region.dtype):
        return Indexing(min(0, int(region.min())))
    try:
        return Indexing(0, slices.find_map(region, affine=True, max_index=MAX_INDEX))
    except InvalidArgument as error:
        raise InvalidArgument(
            f"bcmnet keeps integers of at most 16 bits, and scaled ones; {error} or predict3d"
        ) from error


def put(indices: Ints, offset: float, head: memoryview, out: Array) -> None:
    """Write the elements that indices stand for.

    Raises
    ------
    CorruptStream
        For a map or an offset that the element type does not have.
    """
    if not is_short(out.dtype):
        values, rest = slices.read_map(head, out)
        if len(rest) > 0 or indices.max() > values.max_index:
            raise CorruptStream("corrupt stream: the value map of a bcmnet part does not fit")
        slices.put_indices(values, indices, out)
        return
    limits = np.iinfo(out.dtype)
    low, high = int(indices.min()) + offset, int(indices.max()) + offset
    if len(head) > 0 or not (limits.min <= low and high <= limits.max and offset == int(offset)):
        raise CorruptStream(f"corrupt stream: offset {offset} of a bcmnet part of {out.dtype}")
    out[...] = (indices + int(offset)).reshape(out.shape)
