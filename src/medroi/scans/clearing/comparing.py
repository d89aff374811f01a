"""Whether what was written is the scan inside the region, and background outside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import arrays
from medroi.errors import MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans.stores.kept import same_bits


def check_written(
    target: Path, found: npt.NDArray[Any], original: npt.NDArray[Any], region: ScanRegion
) -> None:
    """Compare what was read back with the scan, slab by slab along its last axis.

    Parameters
    ----------
    target : Path
        For messages.
    found, original : ndarray
        Of the scan's shape.
    region : ScanRegion
        What is kept.

    Raises
    ------
    MedROIError
        Where a voxel inside the region has other bits, or one outside is not background.
    """
    if (found.shape, found.dtype) != (original.shape, original.dtype):
        raise MedROIError(
            f"{target}: read back as {found.shape} {found.dtype}, expected {original.shape} "
            f"{original.dtype}; nothing is written"
        )
    background = arrays.constant((), original.dtype, region.background_bits)
    bounds = [(0, size) for size in original.shape]
    for index in range(original.shape[-1] if original.ndim else 0):
        marked = region.kept([*bounds[:-1], (index, index + 1)])[..., 0]
        before, after = original[..., index], found[..., index]
        expected = np.where(marked, before, background).astype(original.dtype, copy=False)
        if not same_bits(np.ascontiguousarray(after), np.ascontiguousarray(expected)).all():
            raise MedROIError(
                f"{target}: slice {index} did not come back as it was written; nothing is written"
            )


def count_changed(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> int:
    """Count the voxels that differ in any bit, slab by slab along the last axis."""
    if after is before:
        return 0
    return sum(
        int(np.count_nonzero(~same_bits(*map(np.ascontiguousarray, pair))))
        for pair in zip(np.moveaxis(before, -1, 0), np.moveaxis(after, -1, 0), strict=True)
    )
