"""Padding values and the guarantee over signal, slow and obvious (src/kernel/region)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Box = tuple[tuple[int, int], ...]
LIMIT, TILE, CORNER, LONG_RUN = 8, 2, 4, 8


def groups(mask: Mask, axes: tuple[int, ...]) -> npt.NDArray[np.int_]:
    """Number the connected groups (26 neighbours) of every volume of an array, from 1."""
    cube = np.ones([3 if axis in axes else 1 for axis in range(mask.ndim)], bool)
    padded = np.pad(cube, [(0, 0) if axis in axes else (1, 1) for axis in range(mask.ndim)])
    return np.asarray(ndimage.label(mask, padded)[0])


def large_groups(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """The voxels of groups above the limit."""
    labels = groups(mask, axes)
    sizes = np.bincount(labels.ravel())
    return np.asarray(mask & (sizes > LIMIT)[labels])


def largest_group(mask: Mask, axes: tuple[int, ...]) -> int:
    """Voxels of the largest group; 0 where there is none."""
    return int(np.bincount(groups(mask, axes).ravel())[1:].max(initial=0))


def tiles_with(mask: Mask, axes: tuple[int, ...]) -> Mask:
    """Every voxel, in all volumes of an array, whose tile holds some of the mask in any volume."""
    others = tuple(axis for axis in range(mask.ndim) if axis not in axes)
    held = mask.any(axis=others, keepdims=True)
    for axis in axes:
        n = held.shape[axis]
        blocks = np.add.reduceat(held, range(0, n, TILE), axis) > 0
        held = np.repeat(blocks, TILE, axis).take(range(n), axis)
    return np.broadcast_to(held, mask.shape)


def guaranteed_mask(kept: Mask, signal: Mask, axes: tuple[int, ...], max_miss_rate: float) -> Mask:
    """A mask and the tiles that must join it; `kept` is of the array's shape."""
    if max_miss_rate == 1:
        return kept
    kept = kept | tiles_with(large_groups(signal & ~kept, axes), axes)
    if (signal & ~kept).sum() > max_miss_rate * signal.sum():
        kept = kept | tiles_with(signal & ~kept, axes)
    return kept


def connected(seeds: Mask, signal: Mask, axes: tuple[int, ...]) -> Mask:
    """The signal of groups that hold a seed."""
    labels = groups(signal, axes)
    return np.asarray(signal & np.isin(labels, np.unique(labels[seeds])))


def bounds(mask: Mask) -> Box:
    """The box of what is set."""
    return tuple((int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))


def outside(mask: Mask, box: Box) -> Mask:
    """What a box leaves out."""
    left = mask.copy()
    left[tuple(slice(start, stop) for start, stop in box)] = False
    return left


def padding_value(
    array: Array, axes: tuple[int, ...], background: Any, is_tissue: Callable[[Any], bool]
) -> Any:
    """The value of constant corners, if it is not the background; tissue only of all corners."""
    long_axes = sum(array.shape[axis] >= 16 for axis in axes)
    if long_axes < 2 or array.dtype.kind not in "biuf":
        return None
    ends = [(slice(None, CORNER), slice(-CORNER, None)) if axis in axes else (slice(None),) * 2
            for axis in range(array.ndim)]  # fmt: skip
    corners = [array[tuple(ends[axis][i] for axis, i in enumerate(at))].tobytes()
               for at in product((0, 1), repeat=array.ndim)]  # fmt: skip
    size = array.dtype.itemsize
    found = [corner[:size] for corner in corners if corner == corner[:size] * (len(corner) // size)]
    if not found or len(set(found)) > 1:
        return None
    value = np.frombuffer(found[0], array.dtype)[0]
    if value != value or value == background:
        return None
    return value if len(found) == len(corners) or not is_tissue(value) else None


def beyond(array: Array, threshold: float, background: float, polarity: str) -> Mask:
    """What lies too far on the other side of the background to be its noise."""
    distance = float(threshold) - float(background)
    floor = float(background) - 2 * distance
    if not np.isfinite(floor) or (distance >= 0 if polarity == "dark" else distance <= 0):
        return np.zeros(array.shape, bool)
    # Beside a float16 array numpy would round the floor to float16.
    values = array.astype("f8") if array.dtype.kind == "f" else array
    return np.asarray(values >= floor if polarity == "dark" else values <= floor)


def padding_mask(array: Array, axes: tuple[int, ...], value: Any) -> Mask:
    """Where padding must be kept: in runs along a row that touch its end or are long."""
    order = list(range(array.ndim))
    if not array.flags.c_contiguous:
        order.reverse()
    in_memory = array.transpose(order)
    row_axis = max(i for i, axis in enumerate(order) if axis in axes and array.shape[axis] > 1)
    inner = int(np.prod(in_memory.shape[row_axis + 1 :]))
    rows = (in_memory == value).reshape(-1, in_memory.shape[row_axis] * inner)
    kept = np.zeros((len(rows), in_memory.shape[row_axis]), bool)
    for row, marks in zip(kept, rows, strict=True):
        steps = np.flatnonzero(np.diff(marks.astype(int), prepend=0, append=0))
        for start, stop in zip(steps[::2], steps[1::2], strict=True):
            if start == 0 or stop == len(marks) or stop - start >= LONG_RUN * inner:
                row[start // inner : (stop - 1) // inner + 1] = True
    shape = in_memory.shape[: row_axis + 1] + (1,) * (array.ndim - row_axis - 1)
    found = np.broadcast_to(kept.reshape(shape), in_memory.shape)
    return found.transpose(np.argsort(order))


def signal_level(air: Array, background: float, n_elements: int) -> float:
    """The value that noise exceeds less than once, from sorted samples of the air (signal.c)."""
    values, counts = np.unique(air, return_counts=True)
    at = int(np.searchsorted(values, background))
    if at < len(values) and values[at] == background:
        beside = [counts[i] for i in (at - 1, at + 1) if 0 <= i < len(values)]
        if counts[at] > 2 * max(beside, default=0):
            values, counts = np.delete(values, at), np.delete(counts, at)
    middles = (values[1:] + values[:-1]) / 2
    edges = np.concatenate([values[:1], middles, values[-1:]])
    below = np.concatenate([[0], np.cumsum(counts)])
    low, middle = np.interp(np.array([0.16, 0.5]) * below[-1], below, edges)
    power = int(np.ceil(np.log2(n_elements)))
    z = round(-special.ndtri(2.0**-power), 4)
    if values[0] < background:
        return float(middle + z * (middle - low))
    low, middle = (low - background) ** (2 / 3), (middle - background) ** (2 / 3)
    return float(background + (middle + z * (middle - low)) ** 1.5)
