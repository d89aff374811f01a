"""Chunks as the metadata of their array specify them; values are never converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medroi import arrays
from medroi.errors import InvalidArgument

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec


def dtype_of(spec: ArraySpec) -> np.dtype[Any]:
    """The numpy dtype of a chunk; zarr before 3.1 has no data types of its own."""
    dtype: Any = spec.dtype
    native: np.dtype[Any] = dtype if isinstance(dtype, np.dtype) else dtype.to_native_dtype()
    return native


def as_specified(
    array: arrays.Array, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[arrays.Array, bool]:
    """A chunk with the shape and dtype that its specification has, and whether it came flat.

    Array-to-array codecs may hand over other arrays than they announce: numcodecs' Delta flat ones,
    its BitRound the bits of floats as integers. Shape and bits are taken for what they stand for,
    as reading gives them back; values are not converted.

    Parameters
    ----------
    array : ndarray
        What zarr hands over.
    shape : tuple of int
        What the chunk has to have.
    dtype : dtype
        What the chunk has to have.

    Raises
    ------
    InvalidArgument
        For an array that could not be read back.
    """
    is_flat = array.shape != tuple(shape)
    fits = array.dtype.itemsize == dtype.itemsize and array.size == np.prod(shape, dtype=object)
    if not fits or (is_flat and array.ndim != 1):
        raise InvalidArgument(
            f"an array-to-array codec in front of MedROICodec hands over an array of shape "
            f"{array.shape} and dtype {array.dtype}, but announces shape {tuple(shape)} and dtype "
            f"{dtype}, so that it could not be read back. Take that codec out of filters=, or have "
            "it give what it announces"
        )
    if array.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        array = array.view(_in_order_of(dtype, array.dtype))
    return in_byte_order(array, dtype).reshape(shape), is_flat


def in_byte_order(array: arrays.Array, dtype: np.dtype[Any]) -> arrays.Array:
    """The same values in the byte order of `dtype`, which differs in nothing else."""
    if array.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise AssertionError(f"{array.dtype} is not {dtype} in another byte order")
    return array.astype(dtype, copy=False)


def _in_order_of(dtype: np.dtype[Any], other: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder(">" if arrays.is_big_endian(other) else "<")
