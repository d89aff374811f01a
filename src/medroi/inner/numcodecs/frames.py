"""Whether coded bytes announce what the stream's header leaves room for.

For libraries that believe the lengths in their own headers, and allocate or go where they lead.
"""

from __future__ import annotations

import struct

Frame = bytes | memoryview

_ZSTD_MAGIC = 0xFD2FB528
_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2_BOX = b"\x00\x00\x00\x0cjP  "


def any_frame(_frame: Frame, _nbytes: int, _shape: tuple[int, ...]) -> bool:
    """Whatever comes: the library can be given a limit."""
    return True


def blosc_frame(frame: Frame, nbytes: int, _shape: tuple[int, ...]) -> bool:
    """Blosc reads and writes as its header says."""
    return len(frame) >= 16 and struct.unpack_from("<4xIxxxxI", frame) == (nbytes, len(frame))


def lz4_frame(frame: Frame, nbytes: int, _shape: tuple[int, ...]) -> bool:
    """numcodecs' LZ4 allocates what its header says."""
    return len(frame) >= 4 and struct.unpack_from("<I", frame) == (nbytes,)


def zstd_frame(frame: Frame, nbytes: int, _shape: tuple[int, ...]) -> bool:
    """numcodecs' Zstd allocates what the frame announces, without end where it does not."""
    if len(frame) < 6:
        return False
    magic, descriptor = struct.unpack_from("<IB", frame)
    if magic != _ZSTD_MAGIC:
        return False
    is_single, size_code = descriptor >> 5 & 1, descriptor >> 6
    start = 5 + (1 - is_single) + (0, 1, 2, 4)[descriptor & 3]
    width = (is_single, 2, 4, 8)[size_code]
    if width == 0 or len(frame) < start + width:
        return False
    announced = int.from_bytes(frame[start : start + width], "little")
    return announced + (256 if size_code == 1 else 0) == nbytes


def jpeg2000_frame(frame: Frame, _nbytes: int, shape: tuple[int, ...]) -> bool:
    """OpenJPEG decodes an image of any size before anybody can look at it."""
    start = _codestream_start(frame)
    if start < 0 or len(frame) < start + 42 or bytes(frame[start : start + 4]) != _CODESTREAM:
        return False
    width, height, left, top = struct.unpack_from(">IIII", frame, start + 8)
    (n_components,) = struct.unpack_from(">H", frame, start + 40)
    return n_components == 1 and (height, width, left, top) == (*shape, 0, 0)


def _codestream_start(frame: Frame) -> int:
    """Where the first codestream begins, in a JP2 file too; -1 where there is none."""
    if bytes(frame[:8]) != _JP2_BOX:
        return 0
    start = 0
    while len(frame) >= start + 8:
        length, kind = struct.unpack_from(">I4s", frame, start)
        if kind == b"jp2c":
            return start + (16 if length == 1 else 8)
        if length < 8:
            return -1
        start += length
    return -1
