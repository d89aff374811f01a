"""Where the voxels of a grid are for a sine network: from -1 to 1 along each axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Axis = npt.NDArray[np.float32]


def axis_of(size: int) -> Axis:
    """Coordinates of the voxels along one axis: 2 (i / (size - 1) - 1/2) in float32; 0 for one."""
    if size == 1:
        return np.zeros(1, np.float32)
    places = np.arange(size, dtype=np.float32) / np.float32(size - 1)
    return np.float32(2) * (places - np.float32(0.5))


def axes_of(shape: Sequence[int]) -> tuple[Axis, ...]:
    """Coordinates along every axis of a grid."""
    return tuple(axis_of(size) for size in shape)


def pick(axes: Sequence[Axis], voxels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Coordinates (n, number of axes) of voxels given by their C-order numbers."""
    places = np.unravel_index(voxels, tuple(len(axis) for axis in axes))
    return np.stack([axis[place] for axis, place in zip(axes, places, strict=True)], axis=-1)


def grid(shape: Sequence[int]) -> npt.NDArray[np.float32]:
    """Coordinates (voxels, number of axes) of a whole grid, first axis slowest."""
    return pick(axes_of(shape), np.arange(np.prod(shape, dtype=np.int64)))
