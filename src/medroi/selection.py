"""Selections of arrays: what has to be read for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Bounds = tuple[tuple[int, int], ...]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Narrowed:
    """A selection, seen from the smallest block that holds it.

    Attributes
    ----------
    bounds : tuple of (int, int)
        Half-open bounds of the block per array axis.
    inside : Any
        What the selection is inside the block.
    indices : tuple of ndarray
        Per axis the indices of the array that the selection touches, ascending, each once.
    """

    bounds: Bounds
    inside: Any
    indices: tuple[Indices, ...]

    def is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether the selection touches every index of every axis."""
        return all(len(found) == size for found, size in zip(self.indices, shape, strict=True))


def narrow(selection: Any, shape: tuple[int, ...]) -> Narrowed:
    """Find what has to be read for a selection of an array.

    Parameters
    ----------
    selection : slice, int, Ellipsis, array of int or bool, tuple of these, or anything else
        What is wanted. Of what numpy alone knows how to take, everything has to be read.
    shape : tuple of int
        Of the array.
    """
    items = _one_per_axis(selection, shape)
    found = [axis for axis in map(_narrow_axis, items, shape) if axis is not None]
    if len(found) != len(shape):
        whole = tuple((0, size) for size in shape)
        return Narrowed(whole, selection, tuple(np.arange(size) for size in shape))
    bounds = tuple(
        (int(indices[0]), int(indices[-1]) + 1) if len(indices) else (0, 0) for indices, _ in found
    )
    return Narrowed(
        bounds, tuple(item for _, item in found), tuple(indices for indices, _ in found)
    )


def _one_per_axis(selection: Any, shape: tuple[int, ...]) -> list[Any]:
    """One item for each axis, as numpy takes them; nothing for what is no such selection."""
    items = list(selection) if isinstance(selection, tuple) else [selection]
    n_ellipses = sum(item is Ellipsis for item in items)
    if n_ellipses > 1 or len(items) - n_ellipses > len(shape):
        return []
    place = next((k for k, item in enumerate(items) if item is Ellipsis), len(items))
    missing = [slice(None)] * (len(shape) - len(items) + n_ellipses)
    return items[:place] + missing + items[place + n_ellipses :]


def _narrow_axis(item: Any, size: int) -> tuple[Indices, Any] | None:
    """Indices touched, and the item counted from the first of them; None for other items."""
    if isinstance(item, slice):
        chosen = range(*item.indices(size))
        if not chosen:
            return np.arange(0), slice(0, 0)
        stop = chosen[-1] + 1 - min(chosen) if chosen.step > 0 else None
        return np.sort(np.array(chosen)), slice(chosen[0] - min(chosen), stop, chosen.step)
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return (np.array([item % size]), 0) if -size <= item < size else None
    if isinstance(item, list):
        item = np.asarray(item)
    if not isinstance(item, np.ndarray):
        return None
    if item.dtype.kind == "b" and item.shape == (size,):
        item = np.flatnonzero(item)
    if item.dtype.kind not in "iu" or (item.size and not -size <= item.min() <= item.max() < size):
        return None
    positions = item.astype(np.intp)
    positions[positions < 0] += size
    touched = np.unique(positions)
    return touched, positions - (touched[0] if len(touched) else 0)
