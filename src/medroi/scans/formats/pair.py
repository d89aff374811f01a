"""Pairs of files: NIfTI's and Analyze 7.5's .hdr and .img, also gzipped."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import elements_of, read_elements
from medroi.scans.formats.files import read_exactly, read_footer, read_voxels
from medroi.scans.formats.nifti_header import header_class, meaning, parsed
from medroi.scans.scan import Scan, require, usable_affine
from medroi.scans.sources.pieces import pieces_around
from medroi.scans.sources.reading import source_opened
from medroi.scans.sources.source import SourceFile
from medroi.working_memory import WorkingMemory

SUFFIXES = (".hdr", ".img", ".hdr.gz", ".img.gz")

_ANALYZE_NBYTES = 348
_MAX_HEADER_NBYTES = 1 << 26
_OTHER = {".hdr": ".img", ".img": ".hdr", ".HDR": ".IMG", ".IMG": ".HDR"}
# Other files that are named .hdr: their first bytes, what they are, and what reads them.
_FOREIGN = (
    (b"#?RADIANCE", "a Radiance picture", "pfstools or ImageMagick convert it to TIFF"),
    (b"#?RGBE", "a Radiance picture", "pfstools or ImageMagick convert it to TIFF"),
    (b"ENVI", "an ENVI header", "GDAL converts it: gdal_translate IN OUT.tif"),
    (b"!INTERFILE", "an Interfile header", "(X)MedCon converts it: medcon -f IN -c nifti"),
)


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read a pair by the name of one of its files."""
    header_path, image_path = files_of(path)
    with source_opened(header_path) as file:
        header_bytes = file.read(_MAX_HEADER_NBYTES + 1)
        if len(header_bytes) > _MAX_HEADER_NBYTES:
            raise InvalidArgument(
                f"{header_path}: more than {_MAX_HEADER_NBYTES} bytes; no header is that long"
            )
        header_source = file.finish()
    kind, header, affine, notes = _parsed(header_bytes, header_path)
    offset = _offset(header, header_path)
    type_name = str(header.get_value_label("datatype"))
    elements = elements_of(header.get_data_dtype(), header_path, type_name)
    with source_opened(image_path) as file:
        before = bytes(read_exactly(file, offset, image_path, "bytes before the voxels"))
        voxels, details = read_elements(
            functools.partial(
                read_voxels, file, dtype=elements.dtype, path=image_path, memory=memory
            ),
            tuple(header.get_data_shape()),
            elements,
            memory,
        )
        footer = read_footer(file, image_path)
        image_source = file.finish()
    slope, intercept = header.get_slope_inter()
    return Scan(
        voxels=voxels,
        kind=kind,
        affine=affine,
        header=header_bytes + before,
        footer=footer,
        byte_order=header.endianness,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        meaning=elements.meaning or (meaning(header) if kind == "pair" else ""),
        details=details,
        notes=notes,
        sources=_sources(header_source, image_source, len(header_bytes), offset, voxels, footer),
    )


def files_of(path: Path) -> tuple[Path, Path]:
    """Return the .hdr and the .img file of a pair, whichever of them is named.

    Raises
    ------
    InvalidArgument
        Where the other one is missing.
    """
    partners = partners_of(path.name)
    for partner in map(path.with_name, partners):
        if partner.is_file():
            return (path, partner) if is_header(path.name) else (partner, path)
    raise InvalidArgument(f"{path}: one half of a .hdr/.img pair; {partners[0]} is not beside it")


def is_header(name: str) -> bool:
    """Whether a name is that of the header of a pair."""
    return name.lower().endswith((".hdr", ".hdr.gz"))


def partners_of(name: str) -> tuple[str, str]:
    """Return the names that the other half of a pair may have, the likelier one first."""
    stem, gz = (name[:-3], name[-3:]) if name.lower().endswith(".gz") else (name, "")
    own = stem[-4:]
    other = f"{stem[:-4]}{_OTHER.get(own, _OTHER[own.lower()])}"
    return f"{other}{gz}", other if gz else f"{other}.gz"


def _sources(
    header: SourceFile,
    image: SourceFile,
    header_nbytes: int,
    offset: int,
    voxels: npt.NDArray[Any],
    footer: bytes,
) -> tuple[SourceFile, ...]:
    in_image = pieces_around(offset, voxels.nbytes, len(footer), start=header_nbytes)
    return (
        dataclasses.replace(header, pieces=(("header", 0, header_nbytes),)),
        dataclasses.replace(image, pieces=in_image),
    )


def _parsed(data: bytes, path: Path) -> tuple[str, Any, npt.NDArray[np.float64], tuple[str, ...]]:
    """Return kind, header, affine and notes."""
    for magic, what, advice in _FOREIGN:
        if data.startswith(magic):
            raise InvalidArgument(f"{path}: {what}, no half of a .hdr/.img pair; {advice}")
    if len(data) < _ANALYZE_NBYTES:
        raise InvalidArgument(
            f"{path}: {len(data)} bytes; the header of a pair has {_ANALYZE_NBYTES} at least"
        )
    found = header_class(data)
    if found is None:
        return ("analyze", *_analyze(data, path))
    kind, is_pair = found
    if not is_pair:
        raise InvalidArgument(
            f"{path}: the header of a single file; rename it to .nii if its voxels are in it"
        )
    header = parsed(kind, data, path)
    affine, notes = usable_affine(header.get_best_affine())
    return "pair", header, affine, notes


def _analyze(data: bytes, path: Path) -> tuple[Any, npt.NDArray[np.float64], tuple[str, ...]]:
    if 348 not in (int.from_bytes(data[:4], order) for order in ("little", "big")):
        raise InvalidArgument(f"{path}: no header of NIfTI or Analyze 7.5 (its size is not 348)")
    # SPM's reading of it, which is Analyze's where SPM's fields are empty.
    kind = require("nibabel", "reading Analyze").Spm99AnalyzeHeader
    header = parsed(kind, data, path)
    affine, notes = usable_affine(header.get_best_affine())
    note = (
        "Analyze does not say where left and right are; x is taken to run from right to left, as "
        "SPM does"
    )
    return header, affine, (*notes, note)


def _offset(header: Any, path: Path) -> int:
    offset = abs(float(header["vox_offset"]))
    if not (offset <= _MAX_HEADER_NBYTES and offset == int(offset)):
        raise InvalidArgument(
            f"{path}: voxels are said to begin at byte {offset:g} of the .img file; expected a "
            f"whole number up to {_MAX_HEADER_NBYTES}"
        )
    return int(offset)
