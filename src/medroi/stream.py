"""Streams: headers to and from bytes, and where the parts of a payload lie (FORMAT.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from medroi import _kernel
from medroi.errors import CorruptStream

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


def table_nbytes(header: _kernel.Header) -> int:
    """Length of the slab table with which the payload begins; 0 where there is none."""
    n_parts: int = header.n_parts
    return n_parts * PART_ROW_NBYTES if n_parts > 1 else 0


def parse_table(header: _kernel.Header, table: Any) -> list[Part]:
    """Where the parts lie, from the slab table (empty where there is one part or none).

    Raises
    ------
    CorruptStream
        For a table whose CRC-32 or lengths are wrong.
    """
    if header.n_parts == 0:
        return []
    if header.n_parts == 1:
        return [Part(0, header.payload_nbytes, header.payload_crc)]
    _kernel.check_table(header, np.frombuffer(table, np.uint8))
    parts, start = [], len(table)
    for nbytes, crc in struct.iter_unpack("<QI", table):
        parts.append(Part(start, start + nbytes, crc))
        start += nbytes
    return parts
