"""Selections of a dataset as bounds per axis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from medroi.errors import InvalidArgument

Bounds = Sequence[tuple[int, int]]


def normalize(selection: Any, shape: Sequence[int]) -> tuple[list[tuple[int, int]], Any]:
    """Bounds that hold a selection, and the index that makes them the selection.

    Parameters
    ----------
    selection : slice, int, Ellipsis or tuple of them
    shape : sequence of int

    Raises
    ------
    InvalidArgument
        For other kinds of index, and for indices out of range.
    """
    items = list(selection) if isinstance(selection, tuple) else [selection]
    n_ellipsis = sum(item is Ellipsis for item in items)
    if n_ellipsis > 1 or len(items) - n_ellipsis > len(shape):
        raise InvalidArgument(f"selection {selection!r} of a dataset of {len(shape)} axes")
    at = items.index(Ellipsis) if n_ellipsis else len(items)
    missing = len(shape) - (len(items) - n_ellipsis)
    items[at : at + n_ellipsis] = [slice(None)] * missing
    bounds: list[tuple[int, int]] = []
    index: list[int | slice] = []
    for item, size in zip(items, shape, strict=True):
        if isinstance(item, slice):
            start, stop, step = item.indices(size)
            if step < 1:
                raise InvalidArgument(f"selection {selection!r}: steps must be positive")
            bounds.append((start, max(start, stop)))
            index.append(slice(None, None, step))
            continue
        position = _position(item, size, selection)
        bounds.append((position, position + 1))
        index.append(0)
    return bounds, tuple(index)


def _position(item: Any, size: int, selection: Any) -> int:
    try:
        position = operator.index(item)
    except TypeError:
        raise InvalidArgument(
            f"selection {selection!r}: only slices, ints and Ellipsis; use dataset[...] for others"
        ) from None
    if isinstance(item, bool) or not -size <= position < size:
        raise InvalidArgument(f"selection {selection!r} of an axis of {size} voxels")
    return position % size
