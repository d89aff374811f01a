"""Smaller levels of a group, each half as large as the one before along the axes of space.

An axis whose voxels are twice as long as the shortest waits: after each step voxels are as nearly
cubes as they can be. A level of intensities holds the mean of the voxels that became one, rounded
to the nearest even for integers, and to the nearest multiple of their step for floats that are
scaled integers; one of labels their most frequent value, of two the smaller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.scan import Scan
from medroi.scans.stores.group import lattice
from medroi.working_memory import WorkingMemory

# As NIfTI names the intents of labels.
_LABELS = ("label", "neuro name", "neuro names", "neuroname")
# Integers of so many values are no intensities.
_MAX_LABELS = 16
# A preview has one of so many voxels, unless its longest side in space would be shorter than this.
_PREVIEW_SHARE = 64
_MIN_PREVIEW = 32
# Slices of a level that are made at a time.
_N_SLICES = 32


def factors_of(scan: Scan, n_levels: int) -> list[tuple[int, ...]]:
    """Choose how many voxels become one, per level and axis; the first level has 1s.

    Raises
    ------
    InvalidArgument
        Where the scan is too small for so many levels.
    """
    found = list(islice(_each_level(scan), n_levels))
    if len(found) < n_levels:
        raise InvalidArgument(
            f"--levels {n_levels} (levels={n_levels}): a scan of shape {scan.voxels.shape} has "
            f"{len(found)} levels at most"
        )
    return found


def preview_factors_of(scan: Scan) -> list[tuple[int, ...]]:
    """Choose the same for two levels: all voxels, and a preview of them.

    It is what two halvings leave, a 64th of cubes. Thick slices, whose axis waits, are halved on
    while it is more than that and 64 voxels long or more.
    """
    first, *smaller = _each_level(scan)
    for factors in smaller[1:]:
        longest = max(size / n for size, n in zip(scan.voxels.shape[:3], factors, strict=False))
        if math.prod(factors) >= _PREVIEW_SHARE or longest < 2 * _MIN_PREVIEW:
            return [first, factors]
    return [first, *smaller]


def _each_level(scan: Scan) -> Iterator[tuple[int, ...]]:
    n_axes = scan.voxels.ndim
    spacing = [*(step or 1.0 for step in scan.spacing_mm), 1.0][: min(3, n_axes)]
    last = (1,) * n_axes
    while True:
        yield last
        sizes = [-(-size // n) for size, n in zip(scan.voxels.shape, last, strict=True)]
        steps = [step * n for step, n in zip(spacing, last, strict=False)]
        large = [axis for axis in range(len(spacing)) if sizes[axis] > 1]
        if not large:
            return
        shortest = min(steps[axis] for axis in large)
        halved = {axis for axis in large if steps[axis] < 2 * shortest}
        last = tuple(2 * n if axis in halved else n for axis, n in enumerate(last))


def halvings(before: Sequence[int], after: Sequence[int]) -> list[tuple[int, ...]]:
    """Split the way from one level to a later one into steps of 1 and 2 per axis.

    The axes with the longest way go first.
    """
    left = [n // m for n, m in zip(after, before, strict=True)]
    found = []
    while max(left) > 1:
        step = tuple(2 if n == max(left) else 1 for n in left)
        left = [n // m for n, m in zip(left, step, strict=True)]
        found.append(step)
    return found


def is_label(scan: Scan) -> bool:
    """Whether the values are names of things, of which no mean can be taken."""
    if scan.meaning:
        return scan.meaning in _LABELS
    if scan.voxels.dtype.kind not in "iub":
        return False
    found: npt.NDArray[Any] = np.empty(0, scan.voxels.dtype)
    for index in range(scan.voxels.shape[-1]):
        found = np.union1d(found, scan.voxels[..., index])
        if len(found) > _MAX_LABELS:
            return False
    return True


def halved(
    voxels: Any,
    factor: Sequence[int],
    *,
    is_label: bool,
    memory: WorkingMemory,
    step: float | None = None,
) -> npt.NDArray[Any]:
    """Make one level of the one before.

    Parameters
    ----------
    voxels : array_like
        Gives numpy arrays for slices; read a few slices of the last axis at a time.
    factor : sequence of int
        Per axis 1 or 2: how many voxels become one. What is left over at the end counts alone.
    is_label : bool
        Take the most frequent value, not the mean.
    memory : WorkingMemory
        For the level.
    step : float or None
        Of which means of floats are multiples, as `lattice.step_of` finds it.

    Returns
    -------
    ndarray
        In Fortran order, of the same dtype.
    """
    shape = tuple(-(-size // n) for size, n in zip(voxels.shape, factor, strict=True))
    level = memory.array(shape, np.dtype(voxels.dtype).newbyteorder("="), "F")
    # Sums are floats of 8 bytes, of voxels and of how many they are.
    plane_nbytes = 16 * math.prod(shape[:-1]) * factor[-1]
    n_slices = max(1, min(_N_SLICES, memory.array_nbytes // plane_nbytes))
    for start in range(0, shape[-1], n_slices):
        stop = min(start + n_slices, shape[-1])
        part = slice(start * factor[-1], min(stop * factor[-1], voxels.shape[-1]))
        values = np.asarray(voxels[..., part])
        level[..., start:stop] = _mode(values, factor) if is_label else _mean(values, factor, step)
    return level


def _pieces(
    values: npt.NDArray[Any], factor: Sequence[int]
) -> Iterator[tuple[tuple[slice, ...], npt.NDArray[Any]]]:
    """The first voxels of all groups, the second ones, ... and the groups that have them."""
    for offsets in product(*(range(n) for n in factor)):
        taken = values[tuple(slice(at, None, n) for at, n in zip(offsets, factor, strict=True))]
        yield tuple(slice(size) for size in taken.shape), taken


def _mean(values: npt.NDArray[Any], factor: Sequence[int], step: float | None) -> npt.NDArray[Any]:
    shape = [-(-size // n) for size, n in zip(values.shape, factor, strict=True)]
    # Integers of 64 bits keep 53 of them on the way.
    total, count = np.zeros(shape), np.zeros(shape)
    with np.errstate(invalid="ignore", over="ignore"):
        for where, piece in _pieces(values, factor):
            total[where] += piece if step is None else lattice.steps_in(piece, step)
            count[where] += 1
        mean = total / count
        if values.dtype.kind in "iu":
            # Rounding of 64 bits may end just above the largest integer.
            end = float(np.iinfo(values.dtype).max) + 1
            mean = np.minimum(np.rint(mean), np.floor(np.nextafter(end, 0)))
        elif step is not None:
            # Zero is added because it makes a negative zero positive, which is a multiple.
            mean = (np.rint(mean) + 0.0) * step
        return np.asarray(mean.astype(values.dtype))


def _mode(values: npt.NDArray[Any], factor: Sequence[int]) -> npt.NDArray[Any]:
    shape = [-(-size // n) for size, n in zip(values.shape, factor, strict=True)]
    pieces = list(_pieces(values, factor))
    best = np.zeros(shape, values.dtype)
    n_best = np.zeros(shape, np.int8)
    for where, piece in pieces:
        n_equal = np.zeros(piece.shape, np.int8)
        for there, other in pieces:
            common = tuple(slice(min(a.stop, b.stop)) for a, b in zip(where, there, strict=True))
            n_equal[common] += other[common] == piece[common]
        better = (n_equal > n_best[where]) | ((n_equal == n_best[where]) & (piece < best[where]))
        best[where] = np.where(better, piece, best[where])
        n_best[where] = np.where(better, n_equal, n_best[where])
    return best
