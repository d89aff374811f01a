"""Numpy arrays as the kernel sees them: layout, memory, and single elements as bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import InvalidArgument, InvalidType

Array = npt.NDArray[Any]
Memory = npt.NDArray[np.uint8]

NUMBER_KINDS = "iuf"
_NUMBER_SIZES = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
_OTHER_SIZES = {"b": (1,), "c": (8, 16), "M": (8,), "m": (8,)}
_MAX_ITEMSIZE = 65535


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse element types that a stream cannot hold.

    Raises
    ------
    InvalidType
        For objects, structured types, and numbers of more than 64 bits.
    """
    sizes = _NUMBER_SIZES.get(dtype.kind) or _OTHER_SIZES.get(dtype.kind)
    if sizes is not None and dtype.itemsize in sizes and dtype.names is None:
        return
    opaque = dtype.kind in "SUV" and dtype.names is None and dtype.subdtype is None
    if opaque and 1 <= dtype.itemsize <= _MAX_ITEMSIZE:
        return
    raise InvalidType(
        f"arrays of dtype {dtype} cannot be stored; possible are bool, integers of 8 to 64 bits, "
        "floats of 16 to 64 bits and, losslessly, complex, datetime and fixed-size strings"
    )


def as_dense(array: Array) -> Array:
    """Return `array` itself if its memory is dense in C or F order, else a dense copy.

    The copy of a view is in F order where the array behind it is, in C order otherwise.

    Raises
    ------
    InvalidType
        For element types that a stream cannot hold.
    InvalidArgument
        For arrays without axes or with more than eight.
    """
    check_dtype(array.dtype)
    check_ndim(array.ndim)
    if array.flags.c_contiguous or array.flags.f_contiguous:
        return array
    return np.array(array, order="F" if _is_view_of_f_order(array) else "C")


def check_ndim(ndim: int) -> None:
    """Refuse arrays without axes and with more than a stream can hold."""
    if not 1 <= ndim <= _kernel.MAX_AXES:
        raise InvalidArgument(f"found an array of {ndim} axes, expected 1 to {_kernel.MAX_AXES}")


def _is_view_of_f_order(array: Array) -> bool:
    """Whether a copy in F order keeps neighbours together, as one in C order would not."""
    steps = [abs(step) for step, size in zip(array.strides, array.shape, strict=True) if size > 1]
    return len(steps) > 1 and steps == sorted(steps)


def is_f_order(array: Array) -> bool:
    """Whether the memory of a dense array is F order and not C order as well."""
    return array.flags.f_contiguous and not array.flags.c_contiguous


def normalize_axes(axes: Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Array axes of the volume, ascending; the last three where nobody says otherwise.

    Raises
    ------
    InvalidArgument
        For axes out of range, repeated, or of another number than 1 to 3.
    """
    if axes is None:
        return tuple(range(max(0, ndim - 3), ndim))
    found = sorted(axis + ndim if axis < 0 else axis for axis in axes)
    if (
        not 1 <= len(found) <= 3
        or len(set(found)) != len(found)
        or not (found[0] >= 0 and found[-1] < ndim)
    ):
        raise InvalidArgument(
            f"axes={tuple(axes)} of an array of {ndim} axes; expected 1 to 3 different axes "
            f"in the range {-ndim} to {ndim - 1}"
        )
    return tuple(found)


def layout_of(array: Array, axes: Sequence[int] | None = None) -> _kernel.Layout:
    """Layout of a dense array; `axes` are those of the volume."""
    dtype = array.dtype
    bits = sum(1 << axis for axis in normalize_axes(axes, array.ndim))
    return _kernel.Layout(
        array.shape, dtype.kind, dtype.itemsize, is_big_endian(dtype), is_f_order(array), bits
    )


def is_big_endian(dtype: np.dtype[Any]) -> bool:
    """Whether elements are stored with their highest byte first."""
    return dtype.str.startswith(">")


def memory_of(array: Array) -> Memory:
    """The bytes of a dense array in memory order, without a copy."""
    if array.size == 0:
        return np.empty(0, np.uint8)
    flat = array.reshape(-1, order="A")
    if flat.dtype.kind in "Mm":
        flat = flat.view(np.int64)
    return flat.view(np.uint8)


def bits_of(value: Any, dtype: np.dtype[Any]) -> int:
    """The bits of one element of `dtype` that holds `value`: exactly, or rounded for floats.

    Raises
    ------
    InvalidArgument
        Where no element of `dtype` stands for the value.
    """
    if dtype.kind not in NUMBER_KINDS and dtype.kind != "b":
        if value == 0:
            return 0
        raise InvalidArgument(f"background={value!r} for dtype {dtype}: only 0 is possible")
    native = dtype.newbyteorder("=")
    try:
        with np.errstate(all="ignore"):
            element = np.array(value).astype(native)
        if dtype.kind == "f":
            exact = bool(np.isfinite(element)) == math.isfinite(value)
        else:
            exact = bool(element.item() == value)
    except (OverflowError, ValueError, TypeError):
        exact = False
    if not exact:
        raise InvalidArgument(
            f"background={value!r} is not a value of dtype {dtype}; give one that is"
        )
    return int.from_bytes(element.astype(native.newbyteorder("<")).tobytes(), "little")


def value_of(bits: int, dtype: np.dtype[Any]) -> Any:
    """The value of an element with these bits: a Python number, or 0 for kinds without numbers."""
    if dtype.kind not in NUMBER_KINDS and dtype.kind != "b":
        return 0
    little = dtype.newbyteorder("<")
    return np.frombuffer(bits.to_bytes(dtype.itemsize, "little"), little)[0].item()


def constant(shape: Sequence[int], dtype: np.dtype[Any], bits: int) -> Array:
    """A C-order array of elements with these bits."""
    element = bits.to_bytes(dtype.itemsize, "big" if is_big_endian(dtype) else "little")
    array: Array = np.empty(shape, dtype)
    array[...] = np.frombuffer(element, dtype)
    return array
