"""A mask from a file, for a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medroi import given_mask
from medroi.errors import InvalidArgument
from medroi.scans.formats import read_scan
from medroi.scans.scan import Scan


def mask_options(
    scan: Scan, path: Path | None, margin_mm: float, *, resample: bool
) -> dict[str, Any]:
    """Options of `MedROI.fit` for a mask that was given; none where there is none.

    Parameters
    ----------
    scan : Scan
        Whose grid the mask has to lie on.
    path : Path or None
        Any kind of scan that `read_scan` reads.
    margin_mm : float
        By which the mask is grown.
    resample : bool
        Take the nearest voxel of a mask on another grid.

    Raises
    ------
    InvalidArgument
        For a mask of another grid that is not to be resampled, and what is said of one that is not
        there.
    """
    if path is None:
        if margin_mm or resample:
            raise InvalidArgument(
                "a margin, and resampling, are those of a mask: give one with --mask (mask=)"
            )
        return {}
    found = read_scan(path)
    # A mask is stored as it is, or scaled: what it means to keep is what is not 0 in the end.
    values = found.voxels
    if (found.slope, found.intercept) != (1.0, 0.0):
        values = values * found.slope + found.intercept
    volume = scan.voxels.shape[:3]
    try:
        on_scan = given_mask.checked(
            given_mask.on_grid(values, found.affine, volume, scan.affine, resample=resample), volume
        )
    except InvalidArgument as error:
        raise InvalidArgument(f"{path}: {error}") from error
    return {
        "mask": on_scan,
        "mask_margin_mm": margin_mm,
        "spacing_mm": scan.spacing_mm[: len(volume)],
    }
