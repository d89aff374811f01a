"""FreeSurfer volumes (.mgz, .mgh): big-endian, a footer of tags behind the voxels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scans.formats.files import read_exactly, read_footer, read_voxels
from medroi.scans.scan import Scan, check_layout, checked_dtype, require, usable_affine
from medroi.scans.sources.pieces import all_of, contents_of_pieces
from medroi.scans.sources.reading import source_opened
from medroi.working_memory import WorkingMemory

SUFFIXES = (".mgz", ".mgh")

_HEADER_NBYTES = 284
# Dimensions, voxel type, spacing, cosines and centre; the rest of the header is unused space.
_USED_NBYTES = 90
# Where the header says whether spacing, cosines and centre mean anything.
_GOOD_RAS_OFFSET = 28


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read the stored voxels of one FreeSurfer volume and every byte around them."""
    with source_opened(path) as file:
        prefix = bytes(read_exactly(file, _HEADER_NBYTES, path, "MGH header"))
        shape, dtype, affine = _parsed(prefix, path)
        voxels = read_voxels(file, shape, dtype, path, memory)
        footer = read_footer(file, path)
        source = file.finish()
    affine, notes = usable_affine(affine)
    if not int.from_bytes(prefix[_GOOD_RAS_OFFSET : _GOOD_RAS_OFFSET + 2], "big"):
        notes += (
            "the header gives no voxel size; 1 mm is stored for all axes, which may be wrong",
        )
    return Scan(
        voxels=voxels,
        kind="mgz",
        affine=affine,
        header=prefix,
        footer=footer,
        byte_order=">",
        notes=notes,
        sources=(source,),
    )


def contents(scan: Scan, path: Path) -> Iterator[Any]:
    """Give the bytes of a scan that was read from .mgz or .mgh; `path` is what errors name."""
    shape, dtype, _ = _parsed(scan.header, path)
    check_layout(scan, shape, dtype)
    yield from contents_of_pieces(scan, all_of(scan))


def _parsed(prefix: bytes, path: Path) -> tuple[tuple[int, ...], np.dtype[Any], Any]:
    """Return shape, dtype and affine."""
    nibabel = require("nibabel", "a FreeSurfer volume")
    if prefix[:4] != b"\0\0\0\1" or len(prefix) != _HEADER_NBYTES:
        raise InvalidArgument(f"{path}: not an MGH file (its version is not 1)")
    header_class = nibabel.freesurfer.mghformat.MGHHeader
    nbytes = header_class.template_dtype.itemsize
    try:
        header = header_class(prefix[:_USED_NBYTES].ljust(nbytes, b"\0"), check=False)
        dtype = checked_dtype(np.dtype(header.get_data_dtype()), path).newbyteorder(">")
        affine = header.get_affine()
    except KeyError as error:
        raise InvalidArgument(f"{path}: MGH voxel type {error} is not supported") from error
    except (ValueError, nibabel.freesurfer.mghformat.MGHError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{path}: unusable MGH header: {error}") from error
    # FreeSurfer's dimensions are always four; a single frame is no axis of its own.
    sizes = tuple(int(size) for size in header["dims"])
    return sizes[:3] if sizes[3] == 1 else sizes, dtype, affine
