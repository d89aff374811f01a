"""First-order and texture features of a decoded array beside those of the original.

Features are those of the Image Biomarker Standardisation Initiative (Zwanenburg et al., Radiology
295, 2020): mean, standard deviation, and of the grey level co-occurrence matrix contrast and joint
energy. Grey levels are 32 bins between the 1st and the 99th percentile of the original, the same
for the decoded array; pairs are neighbours in the slice, in four directions, both inside the mask,
counted both ways in one matrix for all slices and directions.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

N_LEVELS = 32
# Rows and columns from a voxel to its neighbour.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclasses.dataclass(frozen=True)
class Features:
    """First-order figures in stored units, and texture."""

    mean: float
    sd: float
    contrast: float
    energy: float


def levels_of(values: Array, low: float, high: float) -> Array:
    """Grey levels from 0 to 31 of values between two limits; what lies beyond them is cut off."""
    scaled = (values.astype(np.float64) - low) * (N_LEVELS / (high - low))
    return np.clip(np.floor(scaled), 0, N_LEVELS - 1).astype(np.intp)


def co_occurrence(levels: Array, mask: Mask) -> Array | None:
    """The co-occurrence matrix: its sum is 1; None where no two neighbours lie inside the mask.

    Parameters
    ----------
    levels : ndarray of int
        From 0 to 31, slices in the last two axes.
    mask : ndarray of bool
        Of the same shape.
    """
    total = np.zeros((N_LEVELS, N_LEVELS))
    for row, column in _DIRECTIONS:
        height, width = levels.shape[-2:]
        here = (..., slice(0, height - row), slice(max(0, -column), width - max(0, column)))
        there = (..., slice(row, height), slice(max(0, column), width - max(0, -column)))
        both = mask[here] & mask[there]
        pairs = levels[here][both] * N_LEVELS + levels[there][both]
        counts = np.bincount(pairs, minlength=N_LEVELS**2).reshape(N_LEVELS, N_LEVELS)
        total += counts + counts.T
    return total / total.sum() if total.any() else None


def features_of(values: Array, mask: Mask, low: float, high: float) -> Features | None:
    """Features of the voxels of a mask; None where they have no neighbours or no range.

    Parameters
    ----------
    values : ndarray
        Finite inside the mask, slices in the last two axes.
    mask : ndarray of bool
        Of the same shape.
    low, high : float
        Limits of the grey levels, in stored units.
    """
    if not high > low:
        return None
    matrix = co_occurrence(levels_of(np.where(mask, values, low), low, high), mask)
    if matrix is None:
        return None
    inside = values[mask].astype(np.float64)
    row, column = np.indices(matrix.shape)
    return Features(
        float(inside.mean()),
        float(inside.std()),
        float((matrix * (row - column) ** 2).sum()),
        float((matrix * matrix).sum()),
    )
