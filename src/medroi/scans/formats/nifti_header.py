"""Headers of NIfTI: parsed with bounds, and made for scans that never had one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import element_type_of
from medroi.scans.scan import Scan, require, usable_affine

_SINGLE = (b"n+1\0", b"n+2\0")
_PAIR = (b"ni1\0", b"ni2\0")
_NIFTI1_NBYTES = 348
_MAX_NIFTI1_SIZE = 32767
# Intents of values that are intensities all the same: none is given, and a time series.
_INTENTS_OF_INTENSITIES = (0, 2001)
# Units of the fourth axis, those of time; where there is none nothing is guessed.
SECONDS_OF_UNIT = MappingProxyType({"sec": 1.0, "msec": 1e-3, "usec": 1e-6})


def header_class(prefix: bytes | bytearray) -> tuple[Any, bool] | None:
    """Return nibabel's class for the first bytes of a file, and whether it is half of a pair.

    None where they are no NIfTI header.
    """
    nibabel = require("nibabel", "NIfTI")
    first, second = bytes(prefix[344:348]), bytes(prefix[4:8])
    for magics, is_pair in ((_SINGLE, False), (_PAIR, True)):
        if first == magics[0]:
            return nibabel.Nifti1Header, is_pair
        if second == magics[1]:
            return nibabel.Nifti2Header, is_pair
    return None


def parsed(kind: Any, prefix: bytes | bytearray, path: Path) -> Any:
    """Parse a header of one of nibabel's classes, whatever its bytes hold."""
    try:
        header = kind(bytes(prefix[: kind.template_dtype.itemsize]), check=False)
        header.get_data_dtype(), header.get_best_affine(), header.get_slope_inter()
        shape = header.get_data_shape()
    except Exception as error:  # nibabel raises whatever a damaged header provokes
        raise InvalidArgument(f"{path}: unusable NIfTI header: {error}") from error
    if not 1 <= len(shape) <= 7:
        raise InvalidArgument(f"{path}: the header gives {len(shape)} axes; expected 1 to 7")
    return header


def meaning(header: Any) -> str:
    """Kind of the values by the header, where they are no intensities."""
    code = int(header["intent_code"])
    if code in _INTENTS_OF_INTENSITIES:
        return ""
    return str(header.get_value_label("intent_code"))


def as_nifti(scan: Scan) -> Scan:
    """Give any scan a header of NIfTI's: the stored values with slope and intercept.

    The numbers of a colour or a complex value lie beside each other, as NIfTI has them. Of a pair
    all fields stay as they are but those that say where the voxels are.
    """
    components = scan.details.get("components")
    of_voxel = element_type_of(components, scan.voxels.dtype) if components else None
    details = {name: value for name, value in scan.details.items() if name != "file_axes"}
    if of_voxel is not None:
        details["file_axes"] = [scan.voxels.ndim - 1, *range(scan.voxels.ndim - 1)]
    if scan.kind == "pair":
        header, byte_order = single_header(scan.header), scan.byte_order
        details = scan.details
    else:
        step = scan.details.get("time_step_s")
        header = header_for(
            scan.voxels,
            scan.affine,
            scan.slope,
            scan.intercept,
            of_voxel,
            step if isinstance(step, float) else 1.0,
        )
        byte_order = "<"
    return dataclasses.replace(
        scan, kind="nifti", header=header, footer=b"", byte_order=byte_order, details=details
    )


def single_header(header: bytes) -> bytes:
    """Turn the .hdr file of a pair into the start of a single file; its extensions stay."""
    found = header_class(header)
    if found is None:
        raise InvalidArgument("the packed header is none of a .hdr/.img pair")
    kind, _ = found
    parsed_header = kind(header[: kind.template_dtype.itemsize], check=False)
    parsed_header["magic"] = kind.single_magic
    nbytes = kind.template_dtype.itemsize
    rest = header[nbytes:] or bytes(4)
    # Voxels begin at a multiple of 16.
    offset = -(-(nbytes + len(rest)) // 16) * 16
    parsed_header["vox_offset"] = offset
    return (bytes(parsed_header.binaryblock) + rest).ljust(offset, b"\0")


def header_for(
    voxels: npt.NDArray[Any],
    affine: npt.NDArray[np.float64],
    slope: float,
    intercept: float,
    of_voxel: np.dtype[Any] | None = None,
    time_step_s: float = 1.0,
) -> bytes:
    """Make the header of a scan that never had one (DICOM, plain arrays).

    The affine goes into the sform, and into the qform as well where that can hold it (a sheared
    affine, such as a tilted gantry's, does not fit). Slope and intercept are float32 in NIfTI-1.
    `of_voxel` is the type of a voxel whose numbers are the last axis, `time_step_s` the fourth size
    of a voxel.
    """
    nibabel = require("nibabel", "writing NIfTI")
    if voxels.dtype.kind not in "iuf" or voxels.dtype.itemsize > 8 or voxels.dtype == np.float16:
        raise InvalidArgument(f"NIfTI has no voxel type for {voxels.dtype}")
    shape = voxels.shape if of_voxel is None else voxels.shape[:-1]
    if not 1 <= len(shape) <= 7:
        raise InvalidArgument(f"NIfTI holds 1 to 7 axes, the array has {len(shape)}")
    affine, _ = usable_affine(affine)
    large = max(shape) > _MAX_NIFTI1_SIZE
    kind = nibabel.Nifti2Header if large else nibabel.Nifti1Header
    header = kind(endianness="<")
    header.set_data_dtype(voxels.dtype if of_voxel is None else of_voxel)
    header.set_data_shape(shape)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_zooms((*spacing_mm, time_step_s, 1.0, 1.0, 1.0)[: len(shape)])
    header.set_sform(affine, code=1)
    # A rotation can only be found where no axis has the length 0.
    if spacing_mm.all():
        try:
            header.set_qform(affine, code=1, strip_shears=False)
        except nibabel.spatialimages.HeaderDataError:
            header["qform_code"] = 0
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(slope, intercept)
    offset = header.single_vox_offset
    header.set_data_offset(offset)
    header["magic"] = header.single_magic
    return bytes(header.binaryblock).ljust(offset, b"\0")
