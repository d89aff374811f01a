"""PNG pictures (.png): grey of 8 or 16 bits, colours of 8 bits."""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import Elements, read_elements, vectors
from medroi.scans.scan import Scan, require
from medroi.scans.sources.pieces import pieces_around
from medroi.scans.sources.png_data import filtered
from medroi.scans.sources.reading import source_opened
from medroi.scans.sources.source import Evidence
from medroi.working_memory import WorkingMemory

SUFFIXES = (".png",)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Colour type -> numbers of a pixel.
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_MAX_NBYTES, _MAX_PIXELS_NBYTES = 1 << 31, 1 << 33


@dataclasses.dataclass(frozen=True)
class _Parts:
    """A PNG file taken apart."""

    before: bytes
    data: bytes
    behind: bytes
    chunks_nbytes: list[int]
    width: int
    height: int
    n_bits: int
    n_channels: int

    @property
    def row_nbytes(self) -> int:
        """Bytes of the pixels of a row."""
        return self.width * self.pixel_nbytes

    @property
    def pixel_nbytes(self) -> int:
        """Bytes of a pixel."""
        return self.n_channels * self.n_bits // 8


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read one picture as a scan of one slice; its size in millimetres is not known."""
    with source_opened(path) as file:
        data = file.read(_MAX_NBYTES + 1)
        source = file.finish()
    if file.is_compressed or len(data) > _MAX_NBYTES:
        raise InvalidArgument(f"{path}: compressed once more, or larger than 2 GiB")
    parts = _taken_apart(data, path)
    pixels, rows, types = _pixels(data, parts, path, memory)
    voxels, details = pixels
    contents = parts.before, types, rows, parts.behind
    container = {
        "kind": "png",
        "start": len(parts.before),
        "n_rows": parts.height,
        "row_nbytes": parts.row_nbytes,
        "pixel_nbytes": parts.pixel_nbytes,
        "zlib_header": int.from_bytes(parts.data[:2], "big"),
        "window_bits": max(9, 8 + (parts.data[0] >> 4)),
        "chunks_nbytes": parts.chunks_nbytes,
    }
    marks = tuple(zlib.crc32(data[:stop]) for stop in range(1 << 20, len(data) + 1, 1 << 20))
    source = dataclasses.replace(
        source,
        contents_sha256=_sha256(*contents),
        container={"kind": "other"},
        evidence=Evidence(container, data[: 1 << 20], marks),
        pieces=pieces_around(len(parts.before) + len(types), rows.nbytes, len(parts.behind)),
    )
    notes = ("a picture does not say how large its pixels are; 1 mm is stored for all axes",)
    return Scan(
        voxels=voxels,
        kind="pictures",
        affine=np.eye(4),
        header=parts.before + types,
        footer=parts.behind,
        byte_order=">",
        meaning="colour" if details.get("components") else "",
        details=details,
        notes=notes,
        sources=(source,),
    )


def _sha256(*parts: Any) -> str:
    import hashlib

    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _taken_apart(data: bytes, path: Path) -> _Parts:
    if not data.startswith(_SIGNATURE):
        raise InvalidArgument(f"{path}: no PNG file (its first bytes are others)")
    at, start, stop, sizes, stream, fields = 8, 0, 0, [], [], None
    while at < len(data):
        if at + 12 > len(data):
            raise InvalidArgument(f"{path}: the file ends inside a chunk; it is truncated")
        nbytes, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + nbytes > len(data):
            raise InvalidArgument(f"{path}: the file ends inside a chunk; it is truncated")
        if name == b"IHDR" and nbytes == 13:
            fields = struct.unpack_from(">IIBBBBB", data, at + 8)
        if name == b"IDAT":
            if stop not in (0, at):
                raise InvalidArgument(f"{path}: its data are not in one piece")
            start, stop = start or at, at + 12 + nbytes
            sizes.append(nbytes)
            stream.append(data[at + 8 : at + 8 + nbytes])
        at += 12 + nbytes
        if name == b"IEND":
            break
    if fields is None or not stream:
        raise InvalidArgument(f"{path}: a PNG file without header or data; it is truncated")
    width, height, n_bits, colour, _, _, interlaced = fields
    if colour not in _CHANNELS or n_bits not in (8, 16) or (n_bits == 16 and colour) or interlaced:
        raise InvalidArgument(
            f"{path}: a PNG of colour type {colour} with {n_bits} bits"
            f"{', interlaced' if interlaced else ''}; expected grey of 8 or 16 bits, or colours of "
            "8 bits. ImageMagick converts it: convert IN -define png:color-type=0 OUT.png"
        )
    if not width or not height or width * height * 8 > _MAX_PIXELS_NBYTES:
        raise InvalidArgument(f"{path}: {width} x {height} pixels")
    data_bytes = b"".join(stream)
    if len(data_bytes) < 6:
        raise InvalidArgument(f"{path}: no data; it is truncated")
    return _Parts(
        data[:start],
        data_bytes,
        data[stop:],
        sizes,
        width,
        height,
        n_bits,
        _CHANNELS[colour],
    )


def _pixels(
    data: bytes, parts: _Parts, path: Path, memory: WorkingMemory
) -> tuple[tuple[npt.NDArray[Any], dict[str, Any]], npt.NDArray[np.uint8], bytes]:
    """Return voxels with details, the rows as bytes, and the type of each row's filter."""
    line = 1 + parts.row_nbytes
    coded = zlib.decompressobj().decompress(parts.data, parts.height * line + 1)
    if len(coded) != parts.height * line:
        raise InvalidArgument(
            f"{path}: {len(coded)} bytes of data, its header announces {parts.height * line}"
        )
    lines = np.frombuffer(coded, np.uint8).reshape(parts.height, line)
    types = lines[:, 0].tobytes()
    if not any(types):
        rows = np.ascontiguousarray(lines[:, 1:])
    else:
        rows = _unfiltered(data, parts, path)
        again = b"".join(filtered(rows, types, parts.pixel_nbytes))
        if again != coded:
            raise InvalidArgument(f"{path}: its rows are filtered in a way that PNG does not have")
    dtype = np.dtype(">u2" if parts.n_bits == 16 else "u1")
    if parts.n_channels == 1:
        elements = Elements(dtype, [])
    else:
        elements = vectors(dtype, parts.n_channels, colour=parts.n_channels > 2, path=path)

    def stored(shape: tuple[int, ...]) -> npt.NDArray[Any]:
        values = rows.reshape(-1).view(dtype).astype(dtype.newbyteorder("="))
        return values.reshape(shape, order="F")

    return read_elements(stored, (parts.width, parts.height), elements, memory), rows, types


def _unfiltered(data: bytes, parts: _Parts, path: Path) -> npt.NDArray[np.uint8]:
    image_module = require("PIL.Image", "reading PNG", "pictures")
    # The limit of the header was checked.
    image_module.MAX_IMAGE_PIXELS = None
    with image_module.open(io.BytesIO(data), formats=["PNG"]) as image:
        values = np.asarray(image)
    if parts.n_bits == 16:
        values = values.astype(">u2")
    rows = np.ascontiguousarray(values).view(np.uint8)
    if rows.size != parts.height * parts.row_nbytes:
        raise InvalidArgument(f"{path}: {values.shape} pixels, other than its header announces")
    return rows.reshape(parts.height, parts.row_nbytes)
