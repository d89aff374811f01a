"""When the volumes of a scan were taken, as far as its file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from medroi.scans.access.nibabel_image import header_of
from medroi.scans.formats.nifti_header import SECONDS_OF_UNIT
from medroi.scans.scan import Scan


def times_of(scan: Scan, path: Path) -> npt.NDArray[np.float64] | None:
    """Seconds of every place along t; None where there is no such axis, or the file says nothing.

    Parameters
    ----------
    scan : Scan
        With voxels that need not be in memory.
    path : Path
        For messages.
    """
    if "t" not in scan.axis_names:
        return None
    if scan.kind not in ("nifti", "pair", "mgz"):
        return _noted(scan)
    header = header_of(scan, path)
    if scan.kind == "mgz":
        # A repetition time in milliseconds.
        first_s, step_s = 0.0, float(header.get_zooms()[3]) * 1e-3
    else:
        unit_s = SECONDS_OF_UNIT.get(header.get_xyzt_units()[1])
        if unit_s is None:
            return None
        first_s, step_s = float(header["toffset"]) * unit_s, float(header["pixdim"][4]) * unit_s
    if not (np.isfinite([first_s, step_s]).all() and step_s > 0):
        return None
    return np.asarray(first_s + step_s * np.arange(scan.voxels.shape[3]), np.float64)


def _noted(scan: Scan) -> npt.NDArray[np.float64] | None:
    """Seconds that a reader found in each of the files."""
    points = scan.details.get("volumes")
    found = points.get("time_s") if isinstance(points, dict) else None
    try:
        times_s = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        return None
    return times_s if times_s.shape == scan.voxels.shape[3:4] else None
