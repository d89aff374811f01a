"""NIfTI-1 and NIfTI-2 single files (.nii, also compressed: .nii.gz, .bz2, .xz, .zst)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.files import read_exactly, read_footer, read_voxels, voxel_blocks
from medroi.scans.scan import Scan, check_layout, checked_dtype, require, usable_affine
from medroi.scans.sources.reading import source_opened

SUFFIXES = (".nii", ".nii.gz", ".nii.bz2", ".nii.xz", ".nii.zst")

_NIFTI1_MAGIC, _NIFTI1_PAIR = b"n+1\0", b"ni1\0"
_NIFTI2_MAGIC, _NIFTI2_PAIR = b"n+2\0", b"ni2\0"
_MAX_NIFTI1_SIZE = 32767
_MAX_OFFSET = 1 << 26
# Intents of values that are intensities all the same: none is given, and a time series.
_INTENTS_OF_INTENSITIES = (0, 2001)


def read(path: Path) -> Scan:
    """Read the stored voxels of one NIfTI file and every byte around them."""
    nibabel = require("nibabel", "reading NIfTI")
    with source_opened(path) as file:
        prefix = read_exactly(file, 348, path, "NIfTI header")
        header_class = _header_class(nibabel, prefix, path)
        nbytes = header_class.template_dtype.itemsize
        prefix += read_exactly(file, nbytes - len(prefix), path, "NIfTI-2 header")
        offset = _voxel_offset(header_class, prefix, path)
        prefix += read_exactly(file, offset - len(prefix), path, "header extensions")
        header = _parsed(nibabel, header_class, prefix, path)
        type_name = str(header.get_value_label("datatype"))
        dtype = checked_dtype(header.get_data_dtype(), path, type_name)
        voxels = read_voxels(file, tuple(header.get_data_shape()), dtype, path)
        footer = read_footer(file, path)
        source = file.finish()
    slope, intercept = header.get_slope_inter()
    affine, notes = usable_affine(header.get_best_affine())
    return Scan(
        voxels=voxels,
        kind="nifti",
        affine=affine,
        header=bytes(prefix),
        footer=footer,
        byte_order=header.endianness,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        meaning=_meaning(header),
        notes=notes,
        sources=(source,),
    )


def contents(scan: Scan, path: Path) -> Iterator[Any]:
    """Give the bytes of a scan that was read from NIfTI; `path` is what errors name."""
    nibabel = require("nibabel", "writing NIfTI")
    header_class = _header_class(nibabel, scan.header, path)
    header = _parsed(nibabel, header_class, scan.header, path)
    check_layout(scan, tuple(header.get_data_shape()), header.get_data_dtype())
    yield scan.header
    yield from voxel_blocks(scan.voxels, scan.byte_order)
    yield scan.footer


def header_for(
    voxels: npt.NDArray[Any], affine: npt.NDArray[np.float64], slope: float, intercept: float
) -> bytes:
    """Make the header of a scan that never had one (DICOM, plain arrays).

    The affine goes into the sform, and into the qform as well where that can hold it (a sheared
    affine, such as a tilted gantry's, does not fit). Slope and intercept are float32 in NIfTI-1.
    """
    nibabel = require("nibabel", "writing NIfTI")
    if voxels.dtype.kind not in "iuf" or voxels.dtype.itemsize > 8 or voxels.dtype == np.float16:
        raise InvalidArgument(f"NIfTI has no voxel type for {voxels.dtype}")
    if not 1 <= voxels.ndim <= 7:
        raise InvalidArgument(f"NIfTI holds 1 to 7 axes, the array has {voxels.ndim}")
    affine, _ = usable_affine(affine)
    large = max(voxels.shape) > _MAX_NIFTI1_SIZE
    header_class = nibabel.Nifti2Header if large else nibabel.Nifti1Header
    header = header_class(endianness="<")
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_zooms((*spacing_mm, 1.0, 1.0, 1.0, 1.0)[: voxels.ndim])
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


def _meaning(header: Any) -> str:
    """Kind of the values by the header, where they are no intensities."""
    code = int(header["intent_code"])
    if code in _INTENTS_OF_INTENSITIES:
        return ""
    return str(header.get_value_label("intent_code"))


def _header_class(nibabel: Any, prefix: bytes | bytearray, path: Path) -> Any:
    """Return the class of the NIfTI version, or say what the file is instead."""
    first, second = bytes(prefix[344:348]), bytes(prefix[4:8])
    if first == _NIFTI1_MAGIC:
        return nibabel.Nifti1Header
    if second == _NIFTI2_MAGIC:
        return nibabel.Nifti2Header
    if first == _NIFTI1_PAIR or second == _NIFTI2_PAIR:
        raise InvalidArgument(
            f"{path}: one half of a .hdr/.img pair; make it one file (nib-convert x.img x.nii)"
        )
    raise InvalidArgument(f"{path}: not a NIfTI file (no 'n+1' or 'n+2' in its header)")


def _voxel_offset(header_class: Any, prefix: bytearray, path: Path) -> int:
    raw = header_class(bytes(prefix), check=False)
    offset = float(raw["vox_offset"])
    if not (len(prefix) <= offset <= _MAX_OFFSET and offset == int(offset)):
        raise InvalidArgument(
            f"{path}: voxels are said to begin at byte {offset:g}; expected a whole number from "
            f"{len(prefix)} to {_MAX_OFFSET}"
        )
    return int(offset)


def _parsed(nibabel: Any, header_class: Any, prefix: bytes | bytearray, path: Path) -> Any:
    try:
        header = header_class(bytes(prefix[: header_class.template_dtype.itemsize]), check=False)
        header.get_data_dtype(), header.get_best_affine(), header.get_slope_inter()
        shape = header.get_data_shape()
    except Exception as error:  # nibabel raises whatever a damaged header provokes
        raise InvalidArgument(f"{path}: unusable NIfTI header: {error}") from error
    if not 1 <= len(shape) <= 7:
        raise InvalidArgument(f"{path}: the header gives {len(shape)} axes; expected 1 to 7")
    return header


__all__ = ["SUFFIXES", "contents", "header_for", "read"]
