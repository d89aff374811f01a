"""Masks that somebody else made: checked, grown by a margin, brought onto the scan's grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument

Mask = npt.NDArray[np.bool_]

# Two affines are the same grid where no corner of the volume lies further apart, in voxels.
_SAME_VOXEL = 0.01


def checked(mask: Any, shape: Sequence[int]) -> Mask:
    """Return a mask as flags, on the grid of a volume.

    Parameters
    ----------
    mask : array_like
        Of numbers; what is not 0 is kept. Axes of length 1 behind those of the volume do not count.
    shape : sequence of int
        Of the volume.

    Raises
    ------
    InvalidArgument
        For a mask of another shape, one that keeps nothing, and values that are not finite.
    """
    wanted = tuple(shape)
    values = _without_last_ones(np.asarray(mask), len(wanted))
    if values.dtype.kind not in "biuf":
        raise InvalidArgument(f"mask: found elements of dtype {values.dtype}, expected numbers")
    if values.shape != wanted:
        raise InvalidArgument(
            f"mask: found shape {np.shape(mask)}, expected the scan's {wanted}: a mask has to lie "
            "on the grid of the scan"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InvalidArgument("mask: found values that are not finite, expected 0 for what to drop")
    flags: Mask = values if values.dtype == bool else values != 0
    if not flags.any():
        raise InvalidArgument("mask: every voxel is 0, so that nothing would be kept")
    return flags


def _without_last_ones(values: npt.NDArray[Any], n_axes: int) -> npt.NDArray[Any]:
    """Take off axes of length 1 behind those of a volume."""
    while values.ndim > n_axes and values.shape[-1] == 1:
        values = values[..., 0]
    return values


def checked_spacing(spacing_mm: Sequence[float], n_axes: int) -> list[float]:
    """Refuse distances between voxel centres that are none, one for each axis of the volume.

    Raises
    ------
    InvalidArgument
        For another number of them, and for one that is not finite and above 0.
    """
    spacing = [float(step) for step in spacing_mm]
    if len(spacing) != n_axes or not all(math.isfinite(x) and x > 0 for x in spacing):
        raise InvalidArgument(
            f"spacing_mm={tuple(spacing_mm)}: expected {n_axes} distances above 0 mm, one for "
            "each axis of the volume"
        )
    return spacing


def grown(mask: Mask, margin_mm: float, spacing_mm: Sequence[float]) -> Mask:
    """Add every voxel whose centre is at most so far from that of a voxel of the mask.

    Parameters
    ----------
    mask : ndarray of bool
        1 to 3 axes.
    margin_mm : float
        From 0 up.
    spacing_mm : sequence of float
        Distance between voxel centres along each axis.

    Raises
    ------
    InvalidArgument
        For a margin below 0, and a spacing that is none.
    """
    if not (math.isfinite(margin_mm) and margin_mm >= 0):
        raise InvalidArgument(f"mask_margin_mm={margin_mm!r}: expected a distance of 0 mm or more")
    if margin_mm == 0:
        return mask
    spacing = checked_spacing(spacing_mm, mask.ndim)
    *outer, last = spacing
    reach = [min(int(margin_mm / step), n - 1) for step, n in zip(spacing, mask.shape, strict=True)]
    along = _RunsAlongLast(mask)
    found = np.zeros_like(mask)
    # Row by row of the ellipsoid: a run along the last axis, moved along the others.
    for shift in itertools.product(*(range(-n, n + 1) for n in reach[:-1])):
        left = margin_mm**2 - sum((a * b) ** 2 for a, b in zip(shift, outer, strict=True))
        if left >= 0:
            source, target = _moved(shift)
            found[target] |= along.widened(min(int(math.sqrt(left) / last), reach[-1]))[source]
    return found


class _RunsAlongLast:
    """A mask dilated along its last axis, each length once."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._sums = np.cumsum(mask, axis=-1, dtype=np.int32)
        self._known: dict[int, Mask] = {}

    def widened(self, n: int) -> Mask:
        """Mark what has a voxel of the mask at most n places away."""
        if n not in self._known:
            size = self._mask.shape[-1]
            ends = np.minimum(np.arange(size) + n, size - 1)
            starts = np.arange(size) - n - 1
            before = np.where(starts >= 0, self._sums[..., np.maximum(starts, 0)], 0)
            self._known[n] = self._sums[..., ends] > before
        return self._known[n]


def _moved(shift: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    source = tuple(slice(max(0, -step), -step if step > 0 else None) for step in shift)
    target = tuple(slice(max(0, step), step if step < 0 else None) for step in shift)
    return source, target


def on_grid(
    mask: Any,
    mask_affine: npt.NDArray[np.float64],
    shape: Sequence[int],
    affine: npt.NDArray[np.float64],
    *,
    resample: bool = False,
) -> npt.NDArray[Any]:
    """Return a mask of a file on the grid of a scan.

    Parameters
    ----------
    mask : array_like
        3 axes; more, where they have length 1.
    mask_affine, affine : ndarray
        4x4, voxel index to mm, of the mask and of the scan.
    shape : sequence of int
        Of the scan's volume, 3 axes.
    resample : bool
        Take the nearest voxel of a mask that lies on another grid; outside of it is dropped.

    Raises
    ------
    InvalidArgument
        For a mask on another grid, with both geometries, unless it is to be resampled.
    """
    wanted = tuple(shape)
    values = _without_last_ones(np.asarray(mask), len(wanted))
    if values.shape == wanted and _is_same_grid(mask_affine, affine, wanted):
        return values
    if not resample:
        found, expected = _geometry(values.shape, mask_affine), _geometry(wanted, affine)
        raise InvalidArgument(
            f"the mask lies on another grid than the scan: found {found}, expected {expected}. "
            "Resample it onto the scan first, or have the nearest voxel taken with --mask-resample "
            "(mask_resample=True)"
        )
    if values.ndim != 3 or len(wanted) != 3:
        raise InvalidArgument(
            f"a mask of shape {values.shape} cannot be resampled onto a volume of shape {wanted}: "
            "both need three axes"
        )
    return _nearest(values, np.linalg.inv(mask_affine) @ affine, wanted)


def _is_same_grid(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], shape: Sequence[int]
) -> bool:
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, n - 1) for n in shape))])
    if corners.shape[1] != 4:
        return True
    apart = (one - other) @ corners.T
    finest = np.linalg.norm(other[:3, :3], axis=0).min()
    return bool(np.linalg.norm(apart[:3], axis=0).max() <= _SAME_VOXEL * finest)


def _geometry(shape: Sequence[int], affine: npt.NDArray[np.float64]) -> str:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    steps = " x ".join(f"{step:.4g}" for step in spacing)
    rows = "; ".join(" ".join(f"{x:.5g}" for x in row) for row in affine[:3])
    return f"{' x '.join(map(str, shape))} voxels of {steps} mm, affine [{rows}]"


def _nearest(
    values: npt.NDArray[Any], to_mask: npt.NDArray[Any], shape: Sequence[int]
) -> npt.NDArray[Any]:
    """Look every voxel of the scan up in the mask; slice by slice, to need little memory."""
    result = np.zeros(shape, values.dtype)
    x, y = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    limits = np.array(values.shape)[:, None, None]
    for k in range(shape[2]):
        places = np.array([x, y, np.full_like(x, k)])
        found = np.tensordot(to_mask[:3, :3], places, 1) + to_mask[:3, 3][:, None, None]
        index = np.floor(found + 0.5).astype(np.int64)
        inside = ((index >= 0) & (index < limits)).all(axis=0)
        result[..., k][inside] = values[tuple(index[:, inside])]
    return result
