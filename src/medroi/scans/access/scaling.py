"""From stored values to the unit of the file: slope and intercept, for all slices or for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.access.lazy_array import LazyArray, Read
from medroi.scans.scan import require

# In `Scan.details`: slopes and intercepts of a DICOM series where they differ between slices.
_TABLE = "rescale_per_slice"


@dataclass(frozen=True, eq=False)
class Scaling:
    """Slope and intercept of a scan, numbers or one for each slice along the axes from z on."""

    slope: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]

    @property
    def is_identity(self) -> bool:
        """Whether stored values are values already."""
        return self.slope.ndim == 0 and float(self.slope) == 1.0 and float(self.intercept) == 0.0

    def scaled(self, voxels: LazyArray) -> LazyArray:
        """Give the same array in the unit of the file, still read when it is indexed.

        One slope for all gives what nibabel gives, in its dtype; a table of them float64.
        """
        if self.is_identity:
            return voxels
        dtype = self.applied(np.zeros((1,) * voxels.ndim, voxels.dtype), None).dtype
        return LazyArray(_ScaledRead(self, voxels.read), voxels.shape, dtype, voxels.chunks)

    def applied(
        self, stored: npt.NDArray[Any], box: tuple[slice, ...] | None, dtype: Any = None
    ) -> npt.NDArray[Any]:
        """Scale the voxels of a box; `dtype` is the least precise that the result may have."""
        if self.slope.ndim:
            part = (0,) * self.slope.ndim if box is None else box[2:]
            return np.asarray(stored * self.slope[part] + self.intercept[part])
        volumeutils = require("nibabel.volumeutils", "values in the unit of the file")
        numbers = [self.slope, self.intercept]
        if dtype is not None:
            # As nibabel: in the precision asked for, where that can hold them.
            numbers = [n.astype(dtype) if np.can_cast(n, dtype) else n for n in numbers]
        return np.asarray(volumeutils.apply_read_scaling(stored, *numbers))


@dataclass(frozen=True, eq=False)
class _ScaledRead:
    scaling: Scaling
    read: Read

    def __call__(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        return self.scaling.applied(self.read(box), box)


def scaling_of(facts: dict[str, Any], shape: tuple[int, ...], path: PurePath | str) -> Scaling:
    """Read slope and intercept from what a store says of its scan.

    Raises
    ------
    InvalidArgument
        Where a table does not fit the scan.
    """
    table = dict(facts.get("details", {})).get(_TABLE)
    if table is None:
        return Scaling(
            np.asarray(facts.get("slope", 1.0), np.float64),
            np.asarray(facts.get("intercept", 0.0), np.float64),
        )
    try:
        slope, intercept = (np.asarray(table[name], np.float64) for name in ("slope", "intercept"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgument(
            f"{path}: the table of slopes and intercepts is damaged: {error}; ask `medroi check`"
        ) from error
    if not slope.shape == intercept.shape == shape[2:]:
        raise InvalidArgument(
            f"{path}: slopes of shape {slope.shape} and intercepts of shape {intercept.shape} do "
            f"not fit a scan of shape {shape}; ask `medroi check`"
        )
    return Scaling(slope, intercept)
