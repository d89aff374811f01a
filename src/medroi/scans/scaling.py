"""From stored values to the unit of the file: by slope and intercept, or by a table of values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.scan import Scan, require

# In `Scan.details`: slopes and intercepts where they differ between slices, nested lists along the
# axes from z on, and DICOM's modality lookup table.
RESCALE_PER_SLICE = "rescale_per_slice"
MODALITY_LUT = "modality_lut"


@dataclass(frozen=True, eq=False)
class Scaling:
    """The way from stored values to values in the unit of the file.

    Attributes
    ----------
    slope, intercept : ndarray
        Numbers, or one for each slice along the axes from z on.
    table : ndarray or None
        In place of them, the values of the stored numbers from `first` on. What is below has the
        first one, what is above the last one.
    first : int
    """

    slope: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]
    table: npt.NDArray[np.uint16] | None = None
    first: int = 0

    @property
    def is_linear(self) -> bool:
        """Whether one slope and one intercept say all, as a NIfTI header can."""
        return self.slope.ndim == 0 and self.table is None

    @property
    def is_identity(self) -> bool:
        """Whether stored values are values already."""
        return self.is_linear and float(self.slope) == 1.0 and float(self.intercept) == 0.0

    def applied(
        self, stored: npt.NDArray[Any], box: tuple[slice, ...] | None, dtype: Any = None
    ) -> npt.NDArray[Any]:
        """Scale the voxels of a box; `dtype` is the least precise that the result may have."""
        if self.table is not None:
            places = np.clip(stored.astype(np.int64) - self.first, 0, len(self.table) - 1)
            return np.asarray(self.table[places])
        if self.slope.ndim:
            part = (0,) * self.slope.ndim if box is None else box[2:]
            return np.asarray(stored * self.slope[part] + self.intercept[part])
        volumeutils = require("nibabel.volumeutils", "values in the unit of the file")
        numbers = [self.slope, self.intercept]
        if dtype is not None:
            # As nibabel: in the precision asked for, where that can hold them.
            numbers = [n.astype(dtype) if np.can_cast(n, dtype) else n for n in numbers]
        return np.asarray(volumeutils.apply_read_scaling(stored, *numbers))


def scaling_of(facts: dict[str, Any], shape: tuple[int, ...], path: PurePath | str) -> Scaling:
    """Read slope and intercept, or the table, from what a store says of its scan.

    Raises
    ------
    InvalidArgument
        Where a table does not fit the scan.
    """
    details = dict(facts.get("details", {}))
    slope, intercept = (
        np.asarray(facts.get(name, default), np.float64)
        for name, default in (("slope", 1.0), ("intercept", 0.0))
    )
    try:
        if MODALITY_LUT in details:
            return Scaling(slope, intercept, *_table_of(details[MODALITY_LUT]))
        if RESCALE_PER_SLICE not in details:
            return Scaling(slope, intercept)
        slopes, intercepts = (
            np.asarray(details[RESCALE_PER_SLICE][name], np.float64)
            for name in ("slope", "intercept")
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(
            f"{path}: the table of slopes and intercepts, or of values, is damaged: {error}; ask "
            "`medroi check`"
        ) from error
    if not slopes.shape == intercepts.shape == shape[2:]:
        raise InvalidArgument(
            f"{path}: slopes of shape {slopes.shape} and intercepts of shape {intercepts.shape} do "
            f"not fit a volume of shape {shape}; ask `medroi check`"
        )
    return Scaling(slopes, intercepts)


def _table_of(found: dict[str, Any]) -> tuple[npt.NDArray[np.uint16], int]:
    first, values = int(found["first"]), np.asarray(found["values"])
    if values.ndim != 1 or not 1 <= len(values) <= 1 << 16 or values.dtype.kind not in "iu":
        raise ValueError(f"{values.shape} values of type {values.dtype}")
    if values.min() < 0 or values.max() >= 1 << 16 or abs(first) > 1 << 16:
        raise ValueError(f"values from {values.min()} to {values.max()}, beginning at {first}")
    return values.astype(np.uint16), first


def is_linear(scan: Scan) -> bool:
    """Whether one slope and one intercept give all values of a scan."""
    return not {RESCALE_PER_SLICE, MODALITY_LUT} & set(scan.details)


def rescaled(scan: Scan) -> npt.NDArray[Any]:
    """Apply a table: the integers of one of values; of slopes float32 where that holds all exactly.

    Raises
    ------
    InvalidArgument
        Where the table does not fit the scan.
    """
    scaling = scaling_of({"details": scan.details}, scan.voxels.shape, "the scan")
    if scaling.table is not None:
        return np.asfortranarray(scaling.applied(scan.voxels, None))
    whole = tuple(slice(None) for _ in scan.voxels.shape)
    values = np.asfortranarray(scaling.applied(scan.voxels, whole))
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow.astype(np.float64), values) else values
