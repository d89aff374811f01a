"""NRRD (.nrrd, and .nhdr with data files beside it), raw or compressed.

The axes of space come first in a scan; components (colours, vectors, gradients of a list) follow.
NRRD says the directions of its axes in a space of the patient: left-posterior-superior is turned
into RAS+, as SimpleITK and Slicer do.
"""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import vectors
from medroi.scans.formats.files import read_footer, read_voxels
from medroi.scans.formats.text_header import file_name, lines_of, read_lines
from medroi.scans.scan import AXIS_NAMES, Scan, require, usable_affine
from medroi.scans.sources.pieces import pieces_around
from medroi.scans.sources.reading import SourceReader, source_opened
from medroi.scans.sources.source import SourceFile
from medroi.working_memory import WorkingMemory

SUFFIXES = (".nrrd", ".nhdr")

_ENCODINGS = {
    "raw": "plain",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}
# From the named space to RAS+.
_SPACES = {
    "left-posterior-superior": (-1.0, -1.0, 1.0),
    "lps": (-1.0, -1.0, 1.0),
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "las": (-1.0, 1.0, 1.0),
}
# A header of this kind needs no line behind it.
_DATA_FILE = re.compile(rb"^data ?file:", re.MULTILINE | re.IGNORECASE)
_MAX_SKIPPED_NBYTES = 1 << 26


def data_file_of(path: Path) -> str | None:
    """The data file that a header names; None where it has the voxels itself."""
    with source_opened(path) as file:
        return _data_file_in(_parsed(_read_header(file, path), path))


def _read_header(file: SourceReader, path: Path) -> bytes:
    return read_lines(
        file,
        path,
        is_last=lambda line: not line.strip(b"\r\n"),
        may_end=lambda text: _DATA_FILE.search(text) is not None,
    )


def _data_file_in(header: dict[str, Any]) -> str | None:
    name = header.get("data file", header.get("datafile"))
    return None if name is None else file_name(str(name))


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read one NRRD file, and the data file that its header names."""
    with source_opened(path) as file:
        text = _read_header(file, path)
        header = _parsed(text, path)
        name = _data_file_in(header)
        sizes, dtype = _layout(header, path)
        encoding = _ENCODINGS.get(str(header.get("encoding", "")).lower())
        if encoding is None:
            raise InvalidArgument(
                f"{path}: encoding {header.get('encoding')!r}; expected raw, gzip or bzip2. Write "
                "it anew with unu save -f nrrd -e gzip"
            )
        if name is None:
            data = _read_data(file, path, header, encoding, sizes, dtype, memory)
            sources: tuple[SourceFile, ...] = (
                _pieced(file.finish(), 0, len(text) + len(data.before), data),
            )
        else:
            source = file.finish()
            data_path = _beside(path, name)
            with source_opened(data_path) as data_file:
                data = _read_data(data_file, data_path, header, encoding, sizes, dtype, memory)
                detached = data_file.finish(data_path.relative_to(path.parent).as_posix())
            sources = (
                dataclasses.replace(source, pieces=(("header", 0, len(text)),)),
                _pieced(detached, len(text), len(text) + len(data.before), data),
            )
    return _scan(header, text, data, sources, path, memory)


@dataclasses.dataclass(frozen=True)
class _Data:
    """Voxels as they lie in the file, the bytes that a header skips, and those behind."""

    stored: npt.NDArray[Any]
    before: bytes
    footer: bytes


def _parsed(text: bytes, path: Path) -> dict[str, Any]:
    nrrd = require("nrrd", "reading NRRD")
    try:
        return dict(nrrd.read_header(lines_of(text)))
    except Exception as error:  # pynrrd raises whatever a damaged header provokes
        raise InvalidArgument(f"{path}: unusable NRRD header: {error}") from error


def _layout(header: dict[str, Any], path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    nrrd = require("nrrd", "reading NRRD")
    if str(header.get("type", "")).lower() == "block":
        raise InvalidArgument(f"{path}: voxels of type block, which says nothing of their numbers")
    try:
        dtype = np.dtype(nrrd.reader._determine_datatype(header))
        sizes = tuple(int(size) for size in header["sizes"])
    except Exception as error:
        raise InvalidArgument(f"{path}: unusable NRRD header: {error}") from error
    if len(sizes) != header.get("dimension") or not sizes or min(sizes) < 1:
        raise InvalidArgument(f"{path}: sizes {sizes} for {header.get('dimension')} axes")
    return sizes, dtype


def _read_data(
    file: SourceReader,
    path: Path,
    header: dict[str, Any],
    encoding: str,
    sizes: tuple[int, ...],
    dtype: np.dtype[Any],
    memory: WorkingMemory,
) -> _Data:
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if not (0 <= lines <= 4096 and -1 <= skip <= _MAX_SKIPPED_NBYTES):
        raise InvalidArgument(f"{path}: {lines} lines and {skip} bytes before the voxels")
    before = b""
    for _ in range(lines):
        before += read_lines(file, path, is_last=lambda line: True)
    if encoding != "plain":
        file.decompress(encoding)
    if skip == -1:
        # All but the end of the file, which only a file that is not compressed can mean.
        nbytes = math.prod(sizes) * dtype.itemsize
        skip = path.stat().st_size - file.position - nbytes
        if encoding != "plain" or file.is_compressed or not 0 <= skip <= _MAX_SKIPPED_NBYTES:
            raise InvalidArgument(f"{path}: byte skip -1 where {skip} bytes are before the voxels")
    before += file.read(skip)
    stored = read_voxels(file, sizes, dtype, path, memory)
    return _Data(stored, before, read_footer(file, path))


def _beside(path: Path, name: str) -> Path:
    """Return the data file that a header names, which lies beside or below it."""
    if "%" in name or name.split()[:1] == ["LIST"]:
        raise InvalidArgument(
            f"{path}: data in several files ({name!r}); join them with unu save -f nrrd"
        )
    found = path.parent / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not found.is_file():
        raise InvalidArgument(f"{path}: its data file {name!r} is not beside it")
    return found


def _pieced(source: SourceFile, start: int, stop: int, data: _Data) -> SourceFile:
    """Say what a file with voxels is made of; its part of the header is from byte to byte."""
    pieces = pieces_around(stop - start, data.stored.nbytes, len(data.footer), start=start)
    return dataclasses.replace(source, pieces=pieces)


def _scan(
    header: dict[str, Any],
    text: bytes,
    data: _Data,
    sources: tuple[SourceFile, ...],
    path: Path,
    memory: WorkingMemory,
) -> Scan:
    spatial, others, is_colour = _axes(header, data.stored.ndim, path)
    n_components = math.prod(data.stored.shape[axis] for axis in others)
    dtype = data.stored.dtype
    elements = vectors(dtype, n_components if others else 1, colour=is_colour, path=path)
    # The numbers of the scan are those of the file, with the axes of space in front.
    order = [*spatial, *others]
    voxels = data.stored.transpose(order)
    details: dict[str, Any] = {}
    # A plane with components is a volume of one slice.
    missing = 3 - len(spatial) if others else 0
    voxels = memory.in_f_order(
        voxels.reshape(
            (*voxels.shape[: len(spatial)], *(1,) * missing, *voxels.shape[len(spatial) :]),
            order="F",
        )
        if missing
        else voxels
    )
    if order != sorted(order):
        file_axes = [order.index(axis) for axis in range(data.stored.ndim)]
        details["file_axes"] = [
            *(axis if axis < len(spatial) else axis + missing for axis in file_axes),
            *range(len(spatial), len(spatial) + missing),
        ]
    if others:
        names = _names_of([str(kind).lower() for kind in header.get("kinds", ())], others)
        details["axis_names"] = [*AXIS_NAMES[: voxels.ndim - len(others)], *names]
        if is_colour:
            details["components"] = elements.components
    affine, notes = _affine(header, spatial)
    return Scan(
        voxels=voxels,
        kind="nrrd",
        affine=affine,
        header=text + data.before,
        footer=data.footer,
        byte_order=">" if str(header.get("endian", "little")).lower() == "big" else "<",
        meaning=elements.meaning if is_colour else "",
        details=details,
        notes=notes,
        sources=sources,
    )


def _axes(header: dict[str, Any], ndim: int, path: Path) -> tuple[list[int], list[int], bool]:
    """Return the axes of space, the others, and whether these are a colour."""
    kinds = [str(kind) for kind in header.get("kinds", ())] or ["domain"] * ndim
    directions = header.get("space directions")
    if len(kinds) != ndim or (directions is not None and len(directions) != ndim):
        raise InvalidArgument(f"{path}: kinds or space directions for another number of axes")
    if directions is not None:
        known = np.asarray([_is_known(direction) for direction in directions])
    else:
        known = np.asarray([kind.lower() in ("domain", "space", "???", "none") for kind in kinds])
    spatial = [int(axis) for axis in np.flatnonzero(known)][:3]
    if not spatial:
        spatial = list(range(min(3, ndim)))
    others = [axis for axis in range(ndim) if axis not in spatial]
    is_colour = len(others) == 1 and kinds[others[0]].lower() in ("rgb-color", "rgba-color")
    return spatial, others, is_colour


def _names_of(kinds: list[str], others: list[int]) -> list[str]:
    """One name for each axis that is none of space: t for time."""
    letters = iter("cdefghijklmnop")
    return [
        "t" if kinds and kinds[axis] == "time" else next(letters, f"axis {axis}") for axis in others
    ]


def _is_known(direction: Any) -> bool:
    return direction is not None and bool(np.isfinite(np.asarray(direction, np.float64)).all())


def _affine(
    header: dict[str, Any], spatial: list[int]
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    affine = np.eye(4)
    directions, space = header.get("space directions"), str(header.get("space", "")).lower()
    if directions is None or space not in _SPACES:
        spacings = header.get("spacings")
        if spacings is not None and len(spacings) > max(spatial):
            for place, axis in enumerate(spatial):
                if np.isfinite(spacings[axis]) and spacings[axis]:
                    affine[place, place] = abs(float(spacings[axis]))
            return affine, ("NRRD without directions in a patient; only its spacings are kept",)
        return affine, ("NRRD without voxel sizes and directions; 1 mm is stored for all axes",)
    signs = np.asarray(_SPACES[space])
    for place, axis in enumerate(spatial):
        column = np.asarray(directions[axis], np.float64)
        affine[: len(column), place] = column[:3] * signs[: len(column)]
    origin = header.get("space origin")
    if origin is not None:
        affine[: len(origin), 3] = np.asarray(origin, np.float64) * signs[: len(origin)]
    return usable_affine(affine)


__all__ = ["SUFFIXES", "read"]
