"""An index of NumPy's kind, cut into the box of voxels that it needs and an index into that box."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from medroi.roi import Box


def boxed(key: Any, shape: Sequence[int]) -> tuple[Box, tuple[Any, ...]]:
    """Find the smallest box that an index needs.

    Parameters
    ----------
    key
        What stands between brackets: integers, slices of any step, ``...``, ``None``, lists and
        arrays of integers or of bool.
    shape : sequence of int
        Of the array that is indexed.

    Returns
    -------
    box : tuple of (int, int)
        Half-open bounds per axis; (0, 0) on an axis of which nothing is needed.
    inside : tuple
        The index that gives the same of that box.

    Raises
    ------
    IndexError
        As NumPy does.
    """
    items = _full(key, len(shape))
    box: list[tuple[int, int]] = []
    inside: list[Any] = []
    for item in items:
        if item is None:
            inside.append(None)
            continue
        axis = len(box)
        bounds, part = _along(item, shape[axis], axis)
        box.append(bounds)
        inside.append(part)
    return tuple(box), tuple(inside)


def _full(key: Any, n_axes: int) -> list[Any]:
    """One item per axis, and None for every new one."""
    items: list[Any] = []
    for item in key if isinstance(key, tuple) else (key,):
        items += _integers(item)
    n_ellipses = sum(item is Ellipsis for item in items)
    if n_ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    n_given = sum(item is not None and item is not Ellipsis for item in items)
    if n_given > n_axes:
        raise IndexError(
            f"too many indices for array: array is {n_axes}-dimensional, but {n_given} were indexed"
        )
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    return [*items[:at], *[slice(None)] * (n_axes - n_given), *items[at + 1 :]]


def _integers(item: Any) -> list[Any]:
    """Give an item without bool: one array of places for each axis that a mask covers."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return [item]
    if isinstance(item, bool | np.bool_):
        raise IndexError("True and False are no index of a packed scan; give an array of bool")
    array = np.asarray(item)
    if array.dtype == bool:
        return list(np.nonzero(array)) if array.ndim else [bool(array)]
    if array.ndim == 0:
        return [operator.index(item)]
    if not array.size and not isinstance(item, np.ndarray):
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return [array.astype(np.intp)]


def _along(item: Any, size: int, axis: int) -> tuple[tuple[int, int], Any]:
    """Bounds along one axis, and the item counted from the first of them."""
    if isinstance(item, slice):
        places = range(*item.indices(size))
        if not places:
            return (0, 0), slice(0, 0)
        first, last = min(places[0], places[-1]), max(places[0], places[-1])
        if places.step > 0:
            return (first, last + 1), slice(0, None, places.step)
        return (first, last + 1), slice(places[0] - first, None, places.step)
    array = np.asarray(item)
    if array.size == 0:
        return (0, 0), array
    if array.min() < -size or array.max() >= size:
        worst = array.min() if array.min() < -size else array.max()
        raise IndexError(f"index {worst} is out of bounds for axis {axis} with size {size}")
    places_of = np.where(array < 0, array + size, array)
    first, last = int(places_of.min()), int(places_of.max())
    return (first, last + 1), 0 if isinstance(item, int) else places_of - first
