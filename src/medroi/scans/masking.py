"""A mask from a file, for a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medroi import given_mask
from medroi.errors import InvalidArgument
from medroi.scans.formats import read_scan
from medroi.scans.scan import Scan
from medroi.working_memory import WorkingMemory

# Bytes a voxel of the scan: flags of the mask, of the signal and of what lies outside. To grow a
# mask takes sums, and flags for each length of a row.
_NBYTES, _GROWN_NBYTES = 4, 20


def mask_options(
    scan: Scan, path: Path | None, margin_mm: float, *, resample: bool, memory: WorkingMemory
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
    memory : WorkingMemory
        In which the mask is compared with the scan.

    Raises
    ------
    InvalidArgument
        For a mask of another grid that is not to be resampled, what is said of one that is not
        there, and where there is no memory for it.
    """
    if path is None:
        if margin_mm or resample:
            raise InvalidArgument(
                "a margin, and resampling, are those of a mask: give one with --mask (mask=)"
            )
        return {}
    _check_memory(path, scan, margin_mm, memory)
    found = read_scan(path, memory=memory)
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


def _check_memory(path: Path, scan: Scan, margin_mm: float, memory: WorkingMemory) -> None:
    nbytes_a_voxel = _NBYTES
    if margin_mm > 0:
        longest = scan.voxels.shape[min(2, scan.voxels.ndim - 1)]
        reach = margin_mm / max(scan.spacing_mm[2], margin_mm / longest)
        nbytes_a_voxel = _GROWN_NBYTES + int(reach)
    needed_nbytes = scan.voxels.size * nbytes_a_voxel
    if needed_nbytes > memory.limit_nbytes:
        raise InvalidArgument(
            f"{path}: a mask of a scan of {scan.voxels.size} voxels needs memory of "
            f"{needed_nbytes} bytes, found {memory.limit_nbytes}: allow more with --memory "
            "(memory=)" + (", or give a mask that has its margin" if margin_mm > 0 else "")
        )
