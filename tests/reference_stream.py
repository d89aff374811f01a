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
    memory_axes = list(range(ndim))[:: -1 if f_order else 1]
    if all(stop > start for start, stop in box):
        order = [slice_axis] + [axis for axis in memory_axes if axis != slice_axis]
        _fill(array, box, order, extent, inner_id, stream[preamble_nbytes:], payload_crc)
    sections = _sections(stream[preamble_nbytes - 4 - side_nbytes : preamble_nbytes - 4])
    if 2 in sections and all(stop > start for start, stop in box):
        volume = [i for i in memory_axes if _axes >> i & 1 and shape[i] != 1]
        region = array[tuple(slice(*bounds) for bounds in box)]
        tiles, edge = _mask(sections[2], [region.shape[i] for i in volume])
        for index in np.ndindex(region.shape):
            place = [index[i] // edge for i in volume]
            if not tiles[tuple(place)]:
                region[index] = np.frombuffer(pattern, dtype)[0]
    return array


def _sections(side: bytes) -> dict[int, bytes]:
    found = {}
    while side:
        tag, nbytes = struct.unpack_from("<BI", side)
        need(len(side) >= 5 + nbytes and tag not in found, "side data")
        need(tag in (1, 2) or tag >= 128, "unknown section")
        found[tag] = side[5 : 5 + nbytes]
        side = side[5 + nbytes :]
    return found


class _Bits:
    """Bits of a mask through the range coder and its models."""

    def __init__(self, coded: bytes) -> None:
        self.coded, self.position, self.range = coded, 8, 2**64 - 1
        self.code = int.from_bytes(coded[:8].ljust(8, b"\0"), "big")
        self.models: dict[tuple[str, int], list[int]] = {}

    def next(self, kind: str, context: int) -> int:
        model = self.models.setdefault((kind, context), [32768, 0])
        p, n = model
        r = self.range >> 16
        bit = int(self.code < r * p)
        self.range = r * p if bit else r * (65536 - p)
        self.code -= 0 if bit else r * p
        if self.range < 2**32:
            word = self.coded[self.position : self.position + 4].ljust(4, b"\0")
            self.code = self.code * 2**32 + int.from_bytes(word, "big")
            self.range *= 2**32
            self.position += 4
        model[:] = p + (65535 - p) // (n + 2) if bit else p - p // (n + 2), min(n + 1, 62)
        return bit


_OFFSETS = (
    *((0, 0, -1), (0, 0, 1), (0, -1, -1), (0, -1, 0), (0, -1, 1)),
    *((-1, 0, -1), (-1, 0, 0), (-1, 0, 1), (0, 1, 0), (1, 0, 0)),
)


def _mask(section: bytes, extents: list[int]) -> tuple[np.ndarray, int]:
    version, edge, _rate = struct.unpack_from("<BBd", section)
    need(2 <= edge <= 16 if version == 1 else (version, edge) == (2, 1), "mask")
    bits = _Bits(section[10:])
    n = [-(-extent // edge) for extent in extents]
    z, y, x = {3: n, 2: [n[0], 1, n[-1]], 1: [1, 1, n[0]]}[len(n)]
    known = np.zeros((z + 2, y + 2, x + 2), int)  # one tile of 0 around the map
    tiles = known[1:-1, 1:-1, 1:-1]
    n_blocks = tuple(-(-size // 4) for size in (z, y, x))
    states = np.zeros([size + 1 for size in n_blocks], int)  # one block of 0 before the first
    for k, j, i in np.ndindex(n_blocks):
        before = states[k + 1, j + 1, i], states[k + 1, j, i + 1], states[k, j + 1, i + 1]
        context = int(before[0] + 3 * before[1] + 9 * before[2])
        state = 2 if bits.next("M", context) else bits.next("I", context)
        states[k + 1, j + 1, i + 1] = state
        if state == 1:
            tiles[4 * k : 4 * k + 4, 4 * j : 4 * j + 4, 4 * i : 4 * i + 4] = 1
    for block in np.ndindex(n_blocks):
        if states[tuple(size + 1 for size in block)] == 2:
            corner = [4 * size for size in block]
            inside = tiles[tuple(slice(size, size + 4) for size in corner)]
            for within in np.ndindex(inside.shape):
                at = [corner[a] + within[a] + 1 for a in range(3)]
                context = sum(
                    int(known[at[0] + dz, at[1] + dy, at[2] + dx]) << bit
                    for bit, (dz, dy, dx) in enumerate(_OFFSETS)
                )
                inside[within] = bits.next("T", context)
    need(bits.position == len(bits.coded) + 4, "mask length")
    return tiles.reshape(n), edge


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
