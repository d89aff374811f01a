"""A slow, obvious reader of streams, written from FORMAT.md alone."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numcodecs.zstd import decompress as zstd_decompress


class RefusedError(Exception):
    """FORMAT.md says that these bytes are no stream."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise RefusedError(why)


def read(stream: bytes) -> np.ndarray:
    """Decode one stream of inner codec 0, 1 or 2."""
    need(len(stream) >= 116 and stream[:4] == b"MROI", "magic")
    version, flags, kind, ndim, itemsize = struct.unpack_from("<BBcBH", stream, 4)
    need(version == 1, "version")
    (background,) = struct.unpack_from("<Q", stream, 64)
    payload_nbytes, side_nbytes, extent, payload_crc, inner_id, _axes, slice_axis = (
        struct.unpack_from("<QIIIHBB", stream, 88)
    )
    need(flags < 8 and 1 <= ndim <= 8, "flags or axes")
    big_endian, f_order, extended = flags & 1, flags >> 1 & 1, flags >> 2 & 1
    preamble_nbytes = 112 + (24 * ndim + 36 if extended else 0) + side_nbytes + 4
    need(len(stream) == preamble_nbytes + payload_nbytes, "length")
    (crc,) = struct.unpack_from("<I", stream, preamble_nbytes - 4)
    need(crc == zlib.crc32(stream[: preamble_nbytes - 4]), "header CRC")

    if extended:
        rows = [struct.unpack_from("<QQQ", stream, 112 + 24 * i) for i in range(ndim)]
        shape = tuple(row[0] for row in rows)
        box = [(row[1], row[2]) for row in rows]
    else:
        numbers = struct.unpack_from("<9h", stream, 10)
        shape = numbers[6 : 6 + ndim]
        box = [(numbers[2 * i], numbers[2 * i + 1] + 1) for i in range(ndim)]
    dtype = _dtype(stream, kind.decode(), itemsize, big_endian, preamble_nbytes - 4 - side_nbytes)

    array = np.empty(shape, dtype, order="F" if f_order else "C")
    pattern = background.to_bytes(8, "big" if big_endian else "little")
    if itemsize > 8:
        pattern = bytes(itemsize)
    elif big_endian:
        pattern = pattern[8 - itemsize :]
    else:
        pattern = pattern[:itemsize]
    array[...] = np.frombuffer(pattern, dtype)[0]
    if all(stop > start for start, stop in box):
        memory_axes = list(range(ndim))[:: -1 if f_order else 1]
        order = [slice_axis] + [axis for axis in memory_axes if axis != slice_axis]
        _fill(array, box, order, extent, inner_id, stream[preamble_nbytes:], payload_crc)
    return array


def _dtype(stream: bytes, kind: str, itemsize: int, big_endian: int, side: int) -> np.dtype:
    order = ">" if big_endian else "<"
    if kind in "Mm":
        tag, nbytes = struct.unpack_from("<BI", stream, side)
        need(tag == 1, "dtype text")
        return np.dtype(stream[side + 5 : side + 5 + nbytes].decode())
    return np.dtype(f"{order}{kind}{itemsize // 4 if kind == 'U' else itemsize}")


def _fill(array, box, order, extent, inner_id, payload, payload_crc) -> None:
    start, stop = box[order[0]]
    n_parts = -(-(stop - start) // extent)
    offset, rows = 0, [(len(payload), payload_crc)]
    if n_parts > 1:
        offset = 12 * n_parts
        need(zlib.crc32(payload[:offset]) == payload_crc, "table CRC")
        rows = list(struct.iter_unpack("<QI", payload[:offset]))
        need(offset + sum(row[0] for row in rows) == len(payload), "part lengths")
    for k, (nbytes, crc) in enumerate(rows):
        part = payload[offset : offset + nbytes]
        offset += nbytes
        need(zlib.crc32(part) == crc, "part CRC")
        part_box = list(box)
        part_box[order[0]] = (start + k * extent, min(stop, start + (k + 1) * extent))
        shape = [part_box[axis][1] - part_box[axis][0] for axis in order]
        n_elements = int(np.prod(shape))
        plain = _decompress(inner_id, part, n_elements, array.itemsize)
        dense = np.frombuffer(plain, array.dtype).reshape(shape)
        target = array[tuple(slice(*bounds) for bounds in part_box)]
        target[...] = dense.transpose(np.argsort(order))


def _decompress(inner_id: int, part: bytes, n: int, itemsize: int) -> bytes:
    need(inner_id in (0, 1, 2), "inner codec")
    if inner_id == 0:
        need(len(part) == n * itemsize, "raw length")
        return part
    packed = zlib.decompress(part[1:]) if inner_id == 1 else zstd_decompress(part[1:])
    need(part[0] in (0, 1) and len(packed) == n * itemsize, "filter byte or length")
    if part[0] == 0:
        return bytes(packed)
    plain = bytearray(n * itemsize)
    for b in range(itemsize):
        plain[b::itemsize] = packed[b * n : (b + 1) * n]
    return bytes(plain)
