"""The likeness of an error to the noise that the scan has.

An error whose power spreads as that of the noise does, and whose neighbours do not resemble each
other, takes noise away; one that does resemble itself from voxel to voxel takes structure. How much
noise there is says `medroi.metrics.noise_sigma`.

Arrays have their slices in the last two axes; a mask says which voxels count.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Corner = tuple[int, int, int]

_PATCH, _STEP = 32, 16
_LEAST_PATCHES = 8
# Cycles per voxel: below the first lies what a patch cannot tell from its slope.
BANDS = ((0.06, 0.17), (0.17, 0.33), (0.33, 0.5))


@dataclasses.dataclass(frozen=True, eq=False)
class Patches:
    """Where noise power is taken, and how much the original has there.

    Attributes
    ----------
    corners : sequence of (int, int, int)
        Slice, row and column at which a patch begins.
    power : ndarray
        Sum over the patches, by frequency.
    """

    corners: Sequence[Corner]
    power: Array


def patches_of(values: Array, mask: Mask) -> Patches:
    """Choose patches of 32 x 32 voxels inside a mask, and take their power.

    They are the quarter in which the values vary least, so that noise and not anatomy makes the
    power; a plane is taken off each and a Hann window applied.
    """
    corners = _flattest(values, _corners(mask))
    return Patches(corners, _power(values, corners))


def spectrum_ratios(original: Patches, decoded: Array) -> tuple[float, ...] | None:
    """Power of a decoded array over that of the original, in three bands of frequency.

    Returns
    -------
    tuple of float or None
        For `BANDS`, low to high: 1 where nothing is lost, 0 where a band is smoothed away. None
        with fewer than eight patches, or an original without power.
    """
    if len(original.corners) < _LEAST_PATCHES:
        return None
    before, after = original.power, _power(decoded, original.corners)
    frequency = np.fft.fftfreq(_PATCH)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    found = []
    for low, high in BANDS:
        band = (radius >= low) & (radius < high)
        if not before[band].sum() > 0:
            return None
        found.append(float(after[band].sum() / before[band].sum()))
    return tuple(found)


def residual_autocorrelation(residual: Array, mask: Mask) -> float | None:
    """Correlation of an error with itself one voxel on, in the slice.

    Parameters
    ----------
    residual : ndarray of float64
        Decoded minus original.
    mask : ndarray of bool
        Pairs of neighbours that both lie inside it count.

    Returns
    -------
    float or None
        Mean over both axes of a slice: 0 for an error without structure. None without an error.
    """
    found = []
    for axis in (-2, -1):
        size = residual.shape[axis]
        here, there = ([slice(None)] * residual.ndim for _ in range(2))
        here[axis], there[axis] = slice(0, size - 1), slice(1, size)
        both = mask[tuple(here)] & mask[tuple(there)]
        first, second = residual[tuple(here)][both], residual[tuple(there)][both]
        if not first.size:
            return None
        first, second = first - first.mean(), second - second.mean()
        power = math.sqrt(float(first @ first) * float(second @ second))
        if not power > 0:
            return None
        found.append(float(first @ second) / power)
    return sum(found) / len(found)


def _corners(mask: Mask) -> list[Corner]:
    slices = mask.reshape(-1, *mask.shape[-2:])
    found = []
    for at, inside in enumerate(slices):
        for row in range(0, inside.shape[0] - _PATCH + 1, _STEP):
            for column in range(0, inside.shape[1] - _PATCH + 1, _STEP):
                if inside[row : row + _PATCH, column : column + _PATCH].all():
                    found.append((at, row, column))
    return found


def _flattest(values: Array, corners: list[Corner]) -> list[Corner]:
    spread = [float(np.var(_patch(values, corner))) for corner in corners]
    order = sorted(range(len(corners)), key=lambda at: spread[at])
    # All of few: a quarter of them would be none.
    n_kept = max(_LEAST_PATCHES, len(order) // 4)
    return [corners[at] for at in order[:n_kept]]


def _patch(values: Array, corner: Corner) -> Array:
    at, row, column = corner
    whole = values.reshape(-1, *values.shape[-2:])[at]
    return np.array(whole[row : row + _PATCH, column : column + _PATCH], np.float64)


def _power(values: Array, corners: Sequence[Corner]) -> Array:
    window = np.outer(np.hanning(_PATCH), np.hanning(_PATCH))
    y, x = np.mgrid[:_PATCH, :_PATCH] - (_PATCH - 1) / 2
    power = np.zeros((_PATCH, _PATCH))
    for corner in corners:
        patch = _patch(values, corner)
        patch -= patch.mean()
        # The least-squares plane: its two slopes do not depend on each other on a centred grid.
        patch -= x * ((patch * x).sum() / (x * x).sum()) + y * ((patch * y).sum() / (y * y).sum())
        power += np.abs(np.fft.fft2(patch * window)) ** 2
    return power
