"""Streams: headers to and from bytes, and where the parts of a payload lie (FORMAT.md)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medroi import _kernel, arrays
from medroi.errors import CorruptStream, InvalidArgument

FIXED_HEADER_NBYTES: int = _kernel.FIXED_HEADER_NBYTES
PART_ROW_NBYTES = 12
_SECTION_DTYPE = 1
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Part:
    """Where one part lies, in bytes from the start of the payload, and its CRC-32."""

    start: int
    stop: int
    crc: int


def flatten_affine(affine: Any) -> tuple[float, ...]:
    """The upper-left 3x3 of an affine, row major; the identity for None.

    Parameters
    ----------
    affine : array_like or None
        3x3 or 4x4, voxel index to mm.

    Raises
    ------
    InvalidArgument
        For any other shape.
    """
    if affine is None:
        return IDENTITY
    try:
        matrix = np.asarray(affine, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"affine: expected 3x3 or 4x4 numbers, found {affine!r}") from error
    if matrix.shape not in ((3, 3), (4, 4)):
        raise InvalidArgument(f"affine: expected 3x3 or 4x4, found shape {matrix.shape}")
    return tuple(np.float32(matrix[:3, :3]).ravel().tolist())


def side_data(dtype: np.dtype[Any]) -> bytes:
    """The side data sections that a dtype needs."""
    if dtype.kind not in "Mm":
        return b""
    text = dtype.str.encode("ascii")
    return struct.pack("<BI", _SECTION_DTYPE, len(text)) + text


def _sections(side: bytes) -> dict[int, bytes]:
    found, offset = {}, 0
    while offset < len(side):
        tag, nbytes = struct.unpack_from("<BI", side, offset)
        found[tag] = side[offset + 5 : offset + 5 + nbytes]
        offset += 5 + nbytes
    return found


def read_header(stream: Any) -> _kernel.Header:
    """Read and check everything before the payload.

    Raises
    ------
    CorruptStream, UnsupportedVersion
    """
    header = _kernel.Header.read(stream)
    dtype_of(header)
    return header


def dtype_of(header: _kernel.Header) -> np.dtype[Any]:
    """Element type of the array in a stream."""
    order = ">" if header.big_endian else "<"
    if header.kind in "Mm":
        return _dated_dtype(header, order)
    count = header.itemsize // 4 if header.kind == "U" else header.itemsize
    return np.dtype(f"{order}{header.kind}{count}")


def _dated_dtype(header: _kernel.Header, order: str) -> np.dtype[Any]:
    text = _sections(header.side)[_SECTION_DTYPE]
    if len(text) <= 32 and text.isascii() and text.startswith(f"{order}{header.kind}8".encode()):
        try:
            return np.dtype(text.decode())
        except TypeError:
            pass
    raise CorruptStream(f"corrupt stream: {text[:32]!r} is not the dtype of its elements")


def make_header(
    array: arrays.Array,
    axes: Sequence[int] | None,
    side: bytes = b"",
    **fields: Any,
) -> _kernel.Header:
    """Header of a stream for one dense array.

    Parameters
    ----------
    array : ndarray
        C or F contiguous.
    axes : sequence of int, optional
        Array axes of the volume.
    side : bytes
        Sections of side data beside those that the dtype needs.
    **fields
        The other arguments of the kernel's `Header.make`.
    """
    layout = arrays.layout_of(array, axes)
    return _kernel.Header.make(layout, side=side_data(array.dtype) + side, **fields)


def table_nbytes(header: _kernel.Header) -> int:
    """Length of the part table with which the payload begins; 0 where there is none."""
    n_parts: int = header.n_parts
    return n_parts * PART_ROW_NBYTES if n_parts > 1 else 0


def pack_parts(header: _kernel.Header, parts: list[bytes], part_extent: int) -> bytes:
    """The whole stream of parts that were coded outside the kernel."""
    table = b""
    if len(parts) > 1:
        table = b"".join(struct.pack("<QI", len(part), _kernel.crc32(part)) for part in parts)
    payload_nbytes = len(table) + sum(map(len, parts))
    crc = _kernel.crc32(table or parts[0]) if parts else 0
    header.complete(part_extent, payload_nbytes, crc)
    return b"".join([header.to_bytes(), table, *parts])


def parse_table(header: _kernel.Header, table: Any) -> list[Part]:
    """Where the parts lie, from the part table (empty where there is one part or none).

    Raises
    ------
    CorruptStream
        For a table whose CRC-32 or lengths are wrong.
    """
    if header.n_parts == 0:
        return []
    if header.n_parts == 1:
        return [Part(0, header.payload_nbytes, header.payload_crc)]
    if len(table) != table_nbytes(header) or _kernel.crc32(table) != header.payload_crc:
        raise CorruptStream("corrupt stream: its part table is cut off or its CRC-32 is wrong")
    parts, start = [], len(table)
    for nbytes, crc in struct.iter_unpack("<QI", table):
        parts.append(Part(start, start + nbytes, crc))
        start += nbytes
    if start != header.payload_nbytes:
        raise CorruptStream("corrupt stream: the lengths of its parts do not add up")
    return parts


def check_part(part: Part, coded: Any, number: int) -> None:
    """Refuse the bytes of a part that are not what was written."""
    if len(coded) != part.stop - part.start or _kernel.crc32(coded) != part.crc:
        raise CorruptStream(f"corrupt stream: part {number} is cut off or its CRC-32 is wrong")
