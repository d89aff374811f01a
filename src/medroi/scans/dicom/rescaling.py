"""Slope and intercept of each slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import number
from medroi.scans.dicom.frames import Frame
from medroi.scans.scan import Scan


def rescale_of(frame: Frame) -> tuple[float, float]:
    """Slope and intercept of one slice; dose images have a name of their own for the first."""
    path = frame.path
    slope = number(path, frame, "RescaleSlope", number(path, frame, "DoseGridScaling", 1.0))
    if slope == 0:
        raise InvalidArgument(f"{path}: the rescale slope is 0, which leaves no values")
    return slope, number(path, frame, "RescaleIntercept", 0.0)


def table_of(pairs: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> dict[str, Any]:
    """The table of slopes and intercepts of slices, or of slices at each time: nested lists."""
    slopes, intercepts = np.asarray(pairs, np.float64).T
    return {
        "slope": slopes.reshape(shape, order="F").tolist(),
        "intercept": intercepts.reshape(shape, order="F").tolist(),
    }


def rescaled(scan: Scan) -> npt.NDArray[Any]:
    """Apply a table of slopes: float32 where that holds every value exactly, else float64."""
    table = scan.details["rescale_per_slice"]
    try:
        slope, intercept = (np.asarray(table[name], np.float64) for name in ("slope", "intercept"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgument(f"the table of slopes and intercepts is damaged: {error}") from error
    if not slope.shape == intercept.shape == scan.voxels.shape[2:]:
        raise InvalidArgument(
            f"slopes of shape {slope.shape} and intercepts of shape {intercept.shape} do not fit a "
            f"volume of shape {scan.voxels.shape}"
        )
    values = np.asfortranarray(scan.voxels * slope + intercept)
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow.astype(np.float64), values) else values
