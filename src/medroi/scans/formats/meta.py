"""MetaImage (.mha, and .mhd with a data file beside it), raw or compressed."""

from __future__ import annotations

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import Elements, read_elements, vectors
from medroi.scans.formats.files import read_footer, read_voxels
from medroi.scans.formats.text_header import file_name, lines_of, read_lines
from medroi.scans.scan import Scan, usable_affine
from medroi.scans.sources.pieces import pieces_around
from medroi.scans.sources.reading import SourceReader, source_opened
from medroi.working_memory import WorkingMemory

SUFFIXES = (".mha", ".mhd")

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MAX_SKIPPED_NBYTES = 1 << 26


def data_file_of(path: Path) -> str | None:
    """The data file that a header names; None where it has the voxels itself."""
    with source_opened(path) as file:
        return _data_file_in(_parsed(_read_header(file, path), path))


def _read_header(file: SourceReader, path: Path) -> bytes:
    return read_lines(file, path, is_last=lambda line: line.strip().startswith(b"ElementDataFile"))


def _data_file_in(header: dict[str, str]) -> str | None:
    name = header["ElementDataFile"]
    return None if name.upper() == "LOCAL" else file_name(name)


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read one MetaImage, and the data file that its header names."""
    with source_opened(path) as file:
        text = _read_header(file, path)
        header = _parsed(text, path)
        shape, elements = _layout(header, path)
        name = _data_file_in(header)
        if name is None:
            data = _read_data(file, path, header, shape, elements, memory)
            at, sources = 0, [file.finish()]
        else:
            at, sources = len(text), [file.finish()]
            data_path = _beside(path, name)
            with source_opened(data_path) as data_file:
                data = _read_data(data_file, data_path, header, shape, elements, memory)
                sources.append(data_file.finish(data_path.relative_to(path.parent).as_posix()))
            sources[0] = dataclasses.replace(sources[0], pieces=(("header", 0, len(text)),))
    voxels, details, before, footer = data
    header_nbytes = len(text) + len(before) - at
    in_data = pieces_around(header_nbytes, voxels.nbytes, len(footer), start=at)
    sources[-1] = dataclasses.replace(sources[-1], pieces=in_data)
    affine, notes = _affine(header, path)
    return Scan(
        voxels=voxels,
        kind="meta",
        affine=affine,
        header=text + before,
        footer=footer,
        byte_order=">" if elements.dtype.str[0] == ">" else "<",
        meaning=elements.meaning,
        details=details,
        notes=notes,
        sources=tuple(sources),
    )


def _parsed(text: bytes, path: Path) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in lines_of(text):
        name, equals, value = line.partition("=")
        if line.strip() and not equals:
            raise InvalidArgument(f"{path}: no MetaImage ({line[:40]!r} in its header has no =)")
        header[name.strip()] = value.strip()
    if "ElementDataFile" not in header:
        raise InvalidArgument(f"{path}: no MetaImage (its last line names no ElementDataFile)")
    if header.get("ObjectType", "Image").lower() != "image":
        raise InvalidArgument(f"{path}: a MetaIO object of type {header['ObjectType']}, no image")
    if header.get("BinaryData", "True").lower() != "true":
        raise InvalidArgument(
            f"{path}: voxels as text; write it anew with SimpleITK or ITK, which write them binary"
        )
    return header


def _layout(header: dict[str, str], path: Path) -> tuple[tuple[int, ...], Elements]:
    try:
        shape = tuple(int(size) for size in header["DimSize"].split())
        n_components = int(header.get("ElementNumberOfChannels", "1"))
        name = header["ElementType"]
        if len(shape) != int(header["NDims"]) or not 1 <= len(shape) <= 7:
            raise ValueError(f"{len(shape)} sizes for {header['NDims']} axes")
        if name.endswith("_ARRAY"):
            name = name.removesuffix("_ARRAY")
        if name not in _TYPES or not 1 <= n_components <= 4096:
            raise ValueError(f"{n_components} numbers of type {name} a voxel")
    except (KeyError, ValueError) as error:
        raise InvalidArgument(f"{path}: unusable MetaImage header: {error}") from error
    is_big = "true" in (
        header.get("ElementByteOrderMSB", "").lower(),
        header.get("BinaryDataByteOrderMSB", "").lower(),
    )
    dtype = np.dtype(_TYPES[name]).newbyteorder(">" if is_big else "<")
    is_colour = dtype.itemsize == 1 and n_components in (3, 4)
    return shape, vectors(dtype, n_components, colour=is_colour, path=path)


def _read_data(
    file: SourceReader,
    path: Path,
    header: dict[str, str],
    shape: tuple[int, ...],
    elements: Elements,
    memory: WorkingMemory,
) -> tuple[npt.NDArray[Any], dict[str, Any], bytes, bytes]:
    """Return voxels, details, bytes before the voxels and behind them."""
    try:
        skip = int(header.get("HeaderSize", "0"))
    except ValueError:
        skip = -2
    is_compressed = header.get("CompressedData", "False").lower() == "true"
    if skip == -1 and not is_compressed and not file.is_compressed:
        # All but the end of the file.
        nbytes = math.prod(shape) * elements.dtype.itemsize * max(1, len(elements.components))
        skip = path.stat().st_size - file.position - nbytes
    if not 0 <= skip <= _MAX_SKIPPED_NBYTES:
        raise InvalidArgument(
            f"{path}: HeaderSize {header['HeaderSize']}; expected bytes before the voxels, from 0 "
            f"to {_MAX_SKIPPED_NBYTES}"
        )
    before = file.read(skip)
    if is_compressed:
        file.decompress("zlib")
    voxels, details = read_elements(
        functools.partial(read_voxels, file, dtype=elements.dtype, path=path, memory=memory),
        shape,
        elements,
        memory,
    )
    return voxels, details, before, read_footer(file, path)


def _beside(path: Path, name: str) -> Path:
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise InvalidArgument(
            f"{path}: data in several files ({name!r}); SimpleITK reads them and writes one .mha"
        )
    found = path.parent / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not found.is_file():
        raise InvalidArgument(f"{path}: its data file {name!r} is not beside it")
    return found


def _affine(header: dict[str, str], path: Path) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Turn the left-posterior-superior space of ITK into RAS+."""
    ndim = int(header["NDims"])
    spatial = min(3, ndim)
    spacing = _numbers(header, path, ndim, "ElementSpacing", "ElementSize")
    matrix = _numbers(header, path, ndim * ndim, "TransformMatrix", "Orientation", "Rotation")
    origin = _numbers(header, path, ndim, "Offset", "Origin", "Position")
    notes: tuple[str, ...] = ()
    if spacing is None:
        notes = ("the header gives no voxel size; 1 mm is stored for all axes",)
        spacing = np.ones(ndim)
    # A row of the file's matrix is the direction of one axis.
    directions = np.eye(ndim) if matrix is None else matrix.reshape(ndim, ndim).T
    affine = np.eye(4)
    steps = directions[:spatial, :spatial] * spacing[:spatial]
    affine[:spatial, :spatial] = steps
    affine[:spatial, 3] = 0 if origin is None else origin[:spatial]
    affine[: min(2, spatial)] *= -1
    usable, more = usable_affine(affine)
    return usable, notes + more


def _numbers(
    header: dict[str, str], path: Path, n: int, *names: str
) -> npt.NDArray[np.float64] | None:
    for name in names:
        if name in header:
            try:
                values = np.asarray([float(item) for item in header[name].split()])
            except ValueError:
                values = np.empty(0)
            if len(values) != n:
                raise InvalidArgument(f"{path}: {name} is {header[name]!r}; expected {n} numbers")
            return values
    return None
