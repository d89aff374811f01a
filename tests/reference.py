"""Slow, obvious references that the kernel is held against."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]
Box = tuple[tuple[int, int], ...]


def volume_axes(ndim: int, axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """Axes of the volume: those given, or the last three."""
    if axes is None:
        return tuple(range(ndim))[-3:]
    return tuple(sorted(axis % ndim for axis in axes))


def is_background(array: Array, background: Any) -> npt.NDArray[np.bool_]:
    """Voxels equal to the background by value (-0.0 is 0.0, NaN is nothing)."""
    return np.asarray(array == np.array(background, dtype=array.dtype))


def mean_threshold(array: Array, background: Any) -> Fraction | float | None:
    """Mean of the finite voxels that are not background; None where there are none."""
    counted = ~is_background(array, background)
    if array.dtype.kind == "f":
        counted &= np.isfinite(array)
        values = [float(v) for v in array[counted]]
        return math.fsum(values) / len(values) if values else None
    integers = [int(v) for v in array[counted]]
    return Fraction(sum(integers), len(integers)) if integers else None


def otsu_split(values: list[Any]) -> Any:
    """The last value of the dark class: the split with the largest variance between classes."""
    levels = sorted(set(values))
    best, split = Fraction(-1), levels[0]
    for level in levels[:-1]:
        dark = [v for v in values if v <= level]
        bright = [v for v in values if v > level]
        gap = Fraction(sum(dark), len(dark)) - Fraction(sum(bright), len(bright))
        variance = len(dark) * len(bright) * gap * gap
        if variance > best:
            best, split = variance, level
    return split


def tissue_mask(array: Array, threshold: Fraction | float, polarity: str) -> npt.NDArray[np.bool_]:
    """Voxels at or above (dark: at or below) the threshold, compared exactly."""
    mask = np.zeros(array.shape, bool)
    for index, value in np.ndenumerate(array):
        number = float(value) if array.dtype.kind == "f" else int(value)
        if isinstance(number, float) and math.isnan(number):
            continue
        mask[index] = number <= threshold if polarity == "dark" else number >= threshold
    return mask


def opened(mask: npt.NDArray[np.bool_], axes: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Opening of each volume with the 6-connected cross over its axes of length 3 and more."""
    cross = ndimage.generate_binary_structure(mask.ndim, 1)
    for axis in range(mask.ndim):
        if axis not in axes or mask.shape[axis] < 3:
            cross[tuple(slice(None) if i != axis else [0, 2] for i in range(mask.ndim))] = False
    return np.asarray(ndimage.binary_opening(mask, structure=cross))


def bounding_box(mask: npt.NDArray[np.bool_], axes: tuple[int, ...]) -> Box | None:
    """Half-open bounds of the mask on the volume axes, everything on the others."""
    if not mask.any():
        return None
    box = []
    for axis, length in enumerate(mask.shape):
        if axis not in axes:
            box.append((0, length))
            continue
        others = tuple(i for i in range(mask.ndim) if i != axis)
        found = np.flatnonzero(mask.any(axis=others))
        box.append((int(found[0]), int(found[-1]) + 1))
    return tuple(box)


def missing_box(array: Array, axes: tuple[int, ...]) -> Box | None:
    """The box of all NaN and infinities: no threshold tells whether they are air."""
    return bounding_box(~np.isfinite(array), axes) if array.dtype.kind == "f" else None


def union(box: Box, other: Box | None) -> Box:
    """The smallest box around two; an empty one, or None, adds nothing."""
    if other is None or any(start == stop for start, stop in other):
        return box
    if any(start == stop for start, stop in box):
        return other
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(box, other, strict=True))


def padded(box: Box, shape: tuple[int, ...], axes: tuple[int, ...], padding: int) -> Box:
    """The box with a margin on the volume axes, clipped to the array."""
    return tuple(
        (max(0, start - padding), min(length, stop + padding)) if axis in axes else (start, stop)
        for axis, ((start, stop), length) in enumerate(zip(box, shape, strict=True))
    )


def missed_by(mask: npt.NDArray[np.bool_], box: Box) -> int:
    """Voxels of the mask outside the box."""
    inside = mask[tuple(slice(start, stop) for start, stop in box)]
    return int(mask.sum()) - int(inside.sum())


class Expected(NamedTuple):
    """What a search must find."""

    box: Box  # the padded box of the opened tissue, before any growth
    n_tissue: int
    n_missed: int  # by that box
    tissue_box: Box  # of the unopened tissue


def expected_region(
    array: Array,
    threshold: Fraction | float | None,
    *,
    polarity: str = "bright",
    padding: int = 3,
    axes: tuple[int, ...] | None = None,
) -> Expected:
    """The padded box of the opened tissue at a known threshold, and what it misses."""
    volume = volume_axes(array.ndim, axes)
    nothing: Box = ((0, 0),) * array.ndim
    if threshold is None or array.size == 0:
        return Expected(nothing, 0, 0, nothing)
    mask = tissue_mask(array, threshold, polarity)
    core = bounding_box(opened(mask, volume), volume)
    box = nothing if core is None else padded(core, array.shape, volume, padding)
    tissue_box = bounding_box(mask, volume) or nothing
    return Expected(box, int(mask.sum()), missed_by(mask, box), tissue_box)


def differing_box(array: Array, background: bytes, axes: tuple[int, ...] | None = None) -> Box:
    """The box of every element whose bytes are not those of the background."""
    mask = np.zeros(array.shape, bool)
    for index in product(*map(range, array.shape)):
        mask[index] = array[tuple(slice(i, i + 1) for i in index)].tobytes() != background
    return bounding_box(mask, volume_axes(array.ndim, axes)) or ((0, 0),) * array.ndim
