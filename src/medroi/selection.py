"""Selections of arrays: what has to be read for them."""

from __future__ import annotations

from typing import Any

import numpy as np

Bounds = tuple[tuple[int, int], ...]


def narrow(selection: Any, shape: tuple[int, ...]) -> tuple[Bounds, Any]:
    """Bounds that hold a selection of an array, and the same selection inside these bounds.

    Parameters
    ----------
    selection : slice, int, ndarray of int, tuple of these, or anything else that numpy takes
        What is wanted; of anything else, the bounds are those of the whole array.
    shape : tuple of int
        Of the array.
    """
    whole = tuple((0, size) for size in shape)
    items = selection if isinstance(selection, tuple) else (selection,)
    if len(items) != len(shape):
        return whole, selection
    narrowed = [_narrow_axis(item, size) for item, size in zip(items, shape, strict=True)]
    if None in narrowed:
        return whole, selection
    found = [pair for pair in narrowed if pair is not None]
    return tuple(bounds for bounds, _ in found), tuple(item for _, item in found)


def _narrow_axis(item: Any, size: int) -> tuple[tuple[int, int], Any] | None:
    """Half-open bounds and the item counted from their start; None for what needs the whole."""
    if isinstance(item, slice):
        chosen = range(*item.indices(size))
        if not chosen or chosen.step < 0:
            return None
        return (chosen[0], chosen[-1] + 1), slice(0, chosen[-1] + 1 - chosen[0], chosen.step)
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return ((int(item), int(item) + 1), 0) if 0 <= item < size else None
    if isinstance(item, np.ndarray) and item.dtype.kind in "iu" and item.size:
        low, high = int(item.min()), int(item.max())
        return ((low, high + 1), item - low) if low >= 0 and high < size else None
    return None
