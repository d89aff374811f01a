"""Scans of floats that are scaled integers: their step, and how many steps a value is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.inner.slices import find_map

# Multiples that a value map numbers at most, less one: of more there is no map.
_MAX_MULTIPLE = 65535


def step_of(voxels: npt.NDArray[Any], background: Any) -> float | None:
    """Find the step of which all finite values are multiples, bit for bit.

    Parameters
    ----------
    voxels : ndarray
        Of a scan, read a slice of the last axis at a time.
    background : number
        A value that the store holds as well.

    Returns
    -------
    float or None
        None for other types than floats, and where there is no such step.
    """
    if voxels.dtype.kind != "f":
        return None
    found = np.array([background], voxels.dtype)
    for index in range(voxels.shape[-1]):
        found = np.union1d(found, voxels[..., index])
        if len(found) > _MAX_MULTIPLE + 1:
            return None
    # A negative zero is one here: rounding makes none.
    numbers = found[np.isfinite(found)] + found.dtype.type(0)
    if len(numbers) == 0:
        return None
    try:
        return float(find_map(numbers, affine=True, max_index=_MAX_MULTIPLE).step)
    except InvalidArgument:
        return None


def steps_in(values: npt.NDArray[Any], step: float) -> npt.NDArray[np.float64]:
    """Divide values by their step: whole numbers where they are multiples of it, bit for bit.

    What a lossy codec gave back lies between.
    """
    numbers = values / np.float64(step)
    whole = np.rint(numbers)
    is_multiple = (whole * step).astype(values.dtype) == values
    return np.asarray(np.where(is_multiple, whole, numbers))
