"""Metadata of a group: OME-Zarr 0.5, and the header of nifti-zarr.

OME-Zarr 0.5 knows a scale and a translation per axis, and no rotation: voxels are shown with the
right distances, in the orientation in which they are stored. The affine stands in the header array
``nifti`` and in the attribute ``medroi``. As in nifti-zarr, the first voxel is the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scans.formats.nifti_header import SECONDS_OF_UNIT, as_nifti, header_class
from medroi.scans.scan import Scan

VERSION = "0.5"
# Names of the arrays: the header, and the voxels at full size and halved again and again.
HEADER = "nifti"
LEVEL = "s{}"
# More halvings than any scan bears.
MAX_LEVELS = 16
# OME-Zarr has up to three axes of space and one of time; one of another kind stands between them,
# where a scan has none.
_AXES = {2: ("y", "x"), 3: ("z", "y", "x"), 4: ("t", "z", "y", "x")}


def has_room(n_axes: int) -> bool:
    """Whether OME-Zarr can hold a scan of so many axes as it is."""
    return n_axes in _AXES


def axis_names(scan: Scan) -> tuple[str, ...]:
    """Names of the stored axes: c instead of t where a voxel has several numbers."""
    names = _AXES[scan.voxels.ndim]
    return ("c", *names[1:]) if len(names) == 4 and scan.axis_names[3] != "t" else names


def attributes(scan: Scan, factors: Sequence[Sequence[int]], *, is_label: bool) -> dict[str, Any]:
    """Make the attribute ``ome`` of a scan.

    Parameters
    ----------
    scan : Scan
        Of 2 to 4 axes.
    factors : sequence of sequence of int
        Per level and axis of the scan, how many voxels became one; the first level has 1s.
    is_label : bool
        Whether smaller levels hold the most frequent value, not the mean.
    """
    names = axis_names(scan)
    steps = [*scan.spacing_mm[: min(3, scan.voxels.ndim)], time_step_s(scan) or 1.0]
    steps = [step or 1.0 for step in steps[: scan.voxels.ndim]]
    datasets = []
    for number, factor in enumerate(factors):
        scale = [step * n for step, n in zip(steps, factor, strict=True)]
        # The middle of the voxels that became one.
        shift = [step * (n - 1) / 2 for step, n in zip(steps, factor, strict=True)]
        datasets.append(
            {
                "path": LEVEL.format(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": scale[::-1]},
                    {"type": "translation", "translation": shift[::-1]},
                ],
            }
        )
    multiscale: dict[str, Any] = {"name": "scan", "axes": [axis(n) for n in names]}
    multiscale["datasets"] = datasets
    if len(datasets) > 1:
        multiscale["type"] = "mode" if is_label else "mean"
    return {"version": VERSION, "multiscales": [multiscale]}


def axis(name: str) -> dict[str, str]:
    """Describe a stored axis by its name."""
    if name == "t":
        return {"name": name, "type": "time", "unit": "second"}
    if name == "c":
        return {"name": name, "type": "channel"}
    return {"name": name, "type": "space", "unit": "millimeter"}


def time_step_s(scan: Scan) -> float | None:
    """Seconds from volume to volume of a series; None where that is not known."""
    step = scan.details.get("time_step_s")
    if isinstance(step, (int, float)) and np.isfinite(step) and step > 0:
        return float(step)
    if scan.kind not in ("nifti", "pair") or scan.axis_names[3:4] != ("t",) or not scan.header:
        return None
    header = _parsed(scan.header)
    unit = SECONDS_OF_UNIT.get(header.get_xyzt_units()[1], 0.0)
    step = float(header["pixdim"][4]) * unit
    return step if np.isfinite(step) and step > 0 else None


def _parsed(header: bytes) -> Any:
    found = header_class(header)
    if found is None:
        raise InvalidArgument("the scan's header is none of NIfTI's: no 'n+1' or 'n+2' in it")
    kind, _ = found
    return kind(header[: kind.template_dtype.itemsize], check=False)


def header_of(scan: Scan) -> bytes | None:
    """The NIfTI header of a scan, for the array ``nifti``; None where NIfTI has no such voxels.

    Of a NIfTI file every byte before the voxels, less the four behind the header that only say that
    no extension follows; of any other scan one that describes it.
    """
    if scan.kind == "nifti" and scan.header:
        header = scan.header
    else:
        try:
            header = as_nifti(scan).header
        except InvalidArgument:
            return None
    nbytes = _parsed(header).template_dtype.itemsize
    return header if header[nbytes : nbytes + 1].strip(b"\0") else header[:nbytes]
