"""The threshold of a scan for which nobody gave one, and what a user should know of it."""

from __future__ import annotations

from typing import Any

from medroi.roi import RegionOptions
from medroi.scans.scan import Scan

# The region that is kept where nobody asks for another.
DEFAULT_ROI = "mask"


def with_threshold(scan: Scan, region: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Choose the threshold of a scan; a rule that finds it in the voxels is left to the codec.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    region : dict
        Options of `medroi.MedROI` that were given.

    Returns
    -------
    region : dict
        The same with a kind of region, and a threshold: None where the values are no intensities,
        so that every voxel that differs from the background is kept.
    notes : tuple of str
        Why, where it is None for that reason.
    """
    asked = region.get("threshold", RegionOptions.threshold)
    # A mask's threshold is that of the noise; whoever names another rule means it.
    named = isinstance(asked, str) and asked not in ("auto", "noise")
    region = {"roi": "box" if named else DEFAULT_ROI, **region}
    why = ""
    if isinstance(asked, str) and scan.voxels.ndim < 2:
        why = "the scan has one axis only"
    elif asked == "auto" and scan.meaning:
        why = f"the header says that the values are no intensities ({scan.meaning})"
    if not why:
        return {**region, "threshold": asked}, ()
    return {**region, "threshold": None}, (f"{why}: every voxel that is not background is kept",)
