"""Elements of a slab as a codec takes them, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from medroi.errors import CorruptStream
from medroi.inner import slices
from medroi.inner.base import Array, dense_bytes
from medroi.inner.numcodecs.table import FLAT, SLICES

# What is fed: the elements' bytes, the elements, indices of a value map, or widened elements.
BYTES, ELEMENTS, INDICES, AS_F4, AS_F8 = 0, 1, 2, 3, 4
# Types that are widened exactly.
WIDENED = {AS_F4: ("i1", "u1", "i2", "u2", "f2"), AS_F8: ("i4", "u4")}


def merge_axes(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """A shape with its leading axes merged until `ndim` are left."""
    if len(shape) <= ndim:
        return shape
    cut = len(shape) - ndim + 1
    return (math.prod(shape[:cut]), *shape[cut:])


def fed_dtype(form: int, dtype: np.dtype[Any], depth: int) -> np.dtype[Any]:
    """Type of what the codec sees."""
    if form == INDICES:
        return np.dtype("u1" if depth <= 8 else "<u2")
    if form in WIDENED:
        return np.dtype("<f4" if form == AS_F4 else "<f8")
    if form == ELEMENTS:
        return dtype.newbyteorder("<")
    return np.dtype(f"<u{dtype.itemsize}" if dtype.itemsize in (1, 2, 4, 8) else "u1")


def fed_shape(feed: int, form: int, part: Array, ndim: int) -> tuple[int, ...]:
    """Shape of what the codec sees at once."""
    if feed == FLAT:
        itemsize = fed_dtype(form, part.dtype, 0).itemsize if form == BYTES else part.itemsize
        return (part.nbytes // itemsize,)
    return slices.slice_shape(part.shape) if feed == SLICES else merge_axes(part.shape, ndim)


def elements_of(form: int, part: Array, values: Any, depth: int) -> Array:
    """Elements that are fed, all those of a slab, flat."""
    dtype = fed_dtype(form, part.dtype, depth)
    if form == BYTES:
        return dense_bytes(part).view(dtype)
    if form == INDICES:
        return slices.short_indices_of(values, part, dtype)
    return part.reshape(-1).astype(dtype, copy=False)


def put_back(form: int, fed: Array, values: Any, out: Array) -> None:
    """The inverse of `elements_of`."""
    if form == BYTES:
        dense_bytes(out)[:] = fed.view(np.uint8)
    elif form == INDICES:
        slices.put_indices(values, np.ascontiguousarray(fed, np.int32), out)
    elif form == ELEMENTS or out.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            out.reshape(-1)[:] = fed
    else:
        limits = np.iinfo(out.dtype)
        fed = np.clip(np.rint(np.nan_to_num(fed)), limits.min, limits.max)
        out.reshape(-1)[:] = fed.astype(out.dtype.newbyteorder("="))


def decoded_elements(decoded: Any, dtype: np.dtype[Any], count: int) -> Array:
    """Turn what a codec's decoder returned into `count` elements of `dtype`.

    Raises
    ------
    CorruptStream
        Where it is anything else.
    """
    found = decoded if isinstance(decoded, np.ndarray) else np.frombuffer(decoded, np.uint8)
    found = np.ascontiguousarray(found).reshape(-1)
    if found.dtype.itemsize == 1 and dtype.itemsize > 1 and found.size == count * dtype.itemsize:
        found = found.view(np.uint8).view(dtype)
    same_size = found.size == count and found.dtype.itemsize == dtype.itemsize
    if not same_size or (found.dtype.kind != dtype.kind and found.dtype.kind not in "iu"):
        raise CorruptStream(
            f"corrupt stream: a part decodes to {found.size} elements of {found.dtype}, "
            f"expected {count} of {dtype}"
        )
    return found.astype(dtype) if found.dtype.kind == dtype.kind else found.view(dtype)
