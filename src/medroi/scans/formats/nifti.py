"""NIfTI-1 and NIfTI-2 single files (.nii, also compressed: .nii.gz, .bz2, .xz, .zst)."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import elements_of, read_elements
from medroi.scans.formats.files import read_exactly, read_footer, read_voxels
from medroi.scans.formats.nifti_header import header_class, header_for, meaning, parsed
from medroi.scans.scan import Scan, check_layout, usable_affine
from medroi.scans.sources.pieces import all_of, contents_of_pieces
from medroi.scans.sources.reading import source_opened
from medroi.working_memory import WorkingMemory

SUFFIXES = (".nii", ".nii.gz", ".nii.bz2", ".nii.xz", ".nii.zst")

_NIFTI1_NBYTES = 348
_MAX_OFFSET = 1 << 26


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read the stored voxels of one NIfTI file and every byte around them."""
    with source_opened(path) as file:
        prefix = read_exactly(file, _NIFTI1_NBYTES, path, "NIfTI header")
        kind = _kind_of(prefix, path)
        nbytes = kind.template_dtype.itemsize
        prefix += read_exactly(file, nbytes - len(prefix), path, "NIfTI-2 header")
        offset = _voxel_offset(kind, prefix, path)
        prefix += read_exactly(file, offset - len(prefix), path, "header extensions")
        header = parsed(kind, prefix, path)
        type_name = str(header.get_value_label("datatype"))
        elements = elements_of(header.get_data_dtype(), path, type_name)
        voxels, details = read_elements(
            functools.partial(read_voxels, file, dtype=elements.dtype, path=path, memory=memory),
            tuple(header.get_data_shape()),
            elements,
            memory,
        )
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
        meaning=elements.meaning or meaning(header),
        details=details,
        notes=notes,
        sources=(source,),
    )


def contents(scan: Scan, path: Path) -> Iterator[Any]:
    """Give the bytes of a scan that was read from NIfTI; `path` is what errors name."""
    header = parsed(_kind_of(scan.header, path), scan.header, path)
    shape, dtype = tuple(header.get_data_shape()), header.get_data_dtype()
    if "components" not in scan.details:
        check_layout(scan, shape, dtype)
    elif math.prod(shape) * dtype.itemsize != scan.voxels.nbytes:
        raise InvalidArgument(f"{path}: the packed header describes {shape} {dtype} voxels")
    yield from contents_of_pieces(scan, all_of(scan))


def _kind_of(prefix: bytes | bytearray, path: Path) -> Any:
    """Return the class of the NIfTI version, or say what the file is instead."""
    found = header_class(prefix)
    if found is None:
        raise InvalidArgument(f"{path}: not a NIfTI file (no 'n+1' or 'n+2' in its header)")
    kind, is_pair = found
    if is_pair:
        raise InvalidArgument(
            f"{path}: one half of a .hdr/.img pair under another name; give it the suffix .hdr"
        )
    return kind


def _voxel_offset(kind: Any, prefix: bytearray, path: Path) -> int:
    raw = kind(bytes(prefix), check=False)
    offset = float(raw["vox_offset"])
    if not (len(prefix) <= offset <= _MAX_OFFSET and offset == int(offset)):
        raise InvalidArgument(
            f"{path}: voxels are said to begin at byte {offset:g}; expected a whole number from "
            f"{len(prefix)} to {_MAX_OFFSET}"
        )
    return int(offset)


__all__ = ["SUFFIXES", "contents", "header_for", "read"]
