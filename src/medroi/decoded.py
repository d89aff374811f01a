"""Decoded arrays for numcodecs, which cannot be laid out otherwise unnoticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import arrays
from medroi.errors import CorruptStream


class DecodedArray(np.ndarray[Any, Any]):
    """An array as it was encoded, which does not pass for one of another layout.

    Zarr format 2 keeps shape, memory order and byte order in `.zarray` and lays out by it what a
    codec decoded: it views the elements, flattens them in memory order and shapes them anew. Where
    `.zarray` was changed, or a chunk is of another array, voxels would change places without a
    word. The calls that do it compare with the stream here. Filters hand on plain arrays: behind
    them nothing can be compared.
    """

    _shape_and_order: tuple[tuple[int, ...], str | None] | None = None

    def view(self, *args: Any, **options: Any) -> Any:
        """As numpy's; refuses the same elements in the other byte order."""
        found = super().view(*args, **options)
        same = found.dtype.newbyteorder("=") == self.dtype.newbyteorder("=")
        if same and found.dtype != self.dtype:
            raise _mismatch(f"elements {self.dtype.str}", found.dtype.str)
        return found

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """As numpy's; refuses to lay memory out otherwise than it was encoded."""
        found = super().reshape(*shape, **options)
        if self._shape_and_order is not None:
            _compare(self._shape_and_order, found.shape, options.get("order", "C"))
            return np.asarray(found)
        if found.ndim == 1 < self.ndim and options.get("order") == "A":
            found._shape_and_order = (self.shape, _order_of(self))
        return found


def as_decoded(array: arrays.Array) -> npt.NDArray[Any]:
    """A plain array as `DecodedArray`, without a copy."""
    return array.view(DecodedArray)


def _order_of(array: arrays.Array) -> str | None:
    """The memory order; None where both orders are one."""
    if array.flags.c_contiguous and array.flags.f_contiguous:
        return None
    return "F" if array.flags.f_contiguous else "C"


def _compare(
    encoded: tuple[tuple[int, ...], str | None], shape: tuple[int, ...], asked: str
) -> None:
    encoded_shape, order = encoded
    if len(shape) != len(encoded_shape):
        return
    if shape != encoded_shape:
        raise _mismatch(f"an array of shape {encoded_shape}", str(shape))
    if order not in (None, asked):
        raise _mismatch(f"an array of order {order}", asked)


def _mismatch(found: str, expected: str) -> CorruptStream:
    return CorruptStream(
        f"the stream holds {found}, but the array's metadata (.zarray) says {expected}: the "
        "metadata was changed, or the chunk is of another array"
    )
