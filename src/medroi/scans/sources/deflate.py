"""The settings of the compressors that make deflate data again.

What deflate gives for a level and a memory level has been the same in every zlib for years, and
pigz joins what zlib gives. zlib-ng, libdeflate and GNU gzip give other bytes, which they make again
where they are; coders that are not here (miniz, Cloudflare's zlib) leave the contents alone.
"""

from __future__ import annotations

import base64
import importlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from medroi.scans.scan import require
from medroi.scans.sources import gzip_program, pigz

LEVELS = (6, 1, 9, 5, 4, 3, 2, 7, 8)
# zlib-ng is in ITK, whose formats have these by default.
_LEVELS_OF_NG = (6, 2, 9, 1, 5)
# libdeflate is in libtiff and imagecodecs, by which tifffile writes.
_LEVELS_OF_LIBDEFLATE = (6, 1, 9, 5, 4, 3, 2, 7, 8)
_MEM_LEVELS = (8, 9)
# XFL of a gzip header, by the level that a program says it used.
_LEVELS_BY_XFL = {2: 9, 4: 1}
_XFL_OFFSET = 8


def levels_of(container: dict[str, Any]) -> Sequence[int]:
    """Give the levels to try for a gzip or zlib container, the likeliest first."""
    if container["kind"] != "gzip":
        return LEVELS
    header = base64.b64decode(container["members"][0]["header_base64"])
    said = _LEVELS_BY_XFL.get(header[_XFL_OFFSET])
    return LEVELS if said is None else (said, *(n for n in LEVELS if n != said))


def of_zlib(levels: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Give settings of zlib to try."""
    for mem_level in _MEM_LEVELS:
        for level in levels:
            yield {"engine": "zlib", "level": level, "mem_level": mem_level}


def of_pigz(level: int) -> Iterator[dict[str, Any]]:
    """Give settings of pigz to try for a level."""
    for block_nbytes in pigz.BLOCK_SIZES:
        yield {"engine": "pigz", "level": level, "mem_level": 8, "block_nbytes": block_nbytes}


def of_zlib_ng() -> Iterator[dict[str, Any]]:
    """Give settings of zlib-ng to try; none where the package is not installed."""
    try:
        version = importlib.import_module("zlib_ng.zlib_ng").ZLIBNG_RUNTIME_VERSION
    except ImportError:
        return
    for level in _LEVELS_OF_NG:
        yield {"engine": "zlib-ng", "version": version, "level": level, "mem_level": 8}


def of_libdeflate() -> Iterator[dict[str, Any]]:
    """Give settings of libdeflate to try; none where the package is not installed."""
    try:
        imagecodecs = importlib.import_module("imagecodecs")
    except ImportError:
        return
    version = imagecodecs.deflate_version()
    for level in _LEVELS_OF_LIBDEFLATE:
        yield {"engine": "libdeflate", "version": version, "level": level, "mem_level": 8}


def of_gzip(levels: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Give settings of GNU gzip to try; none where it is not installed."""
    version = gzip_program.version()
    if version is not None:
        for level in levels:
            yield {"engine": "gzip", "version": version, "level": level, "mem_level": 9}


def takes_all_at_once(container: dict[str, Any]) -> bool:
    """Whether the output of a compressor depends on how its input is cut."""
    return container.get("engine") in ("zlib-ng", "libdeflate")


def bounded(value: Any, low: int, high: int) -> int:
    """Return a setting that a store gives.

    Raises
    ------
    ValueError
        Where it is no whole number within bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{value!r} where {low} to {high} is expected")
    return value


def compressor(container: dict[str, Any], wbits: int = -zlib.MAX_WBITS) -> Any:
    """Make the compressor for the settings of a container: of raw deflate data, or of zlib's.

    Raises
    ------
    ValueError
        For settings that no compressor has.
    InnerUnavailable
        Where the package of zlib-ng or of libdeflate, or the program gzip, is not installed.
    """
    engine, level = container["engine"], bounded(container["level"], 0, 9)
    if engine == "pigz" and wbits < 0:
        return pigz.PigzCompressor(level, bounded(container["block_nbytes"], 1 << 15, 1 << 24))
    if engine == "gzip" and wbits < 0:
        return gzip_program.ProgramCompressor(level)
    if engine == "zlib":
        return zlib.compressobj(level, zlib.DEFLATED, wbits, container["mem_level"])
    if engine == "zlib-ng":
        zlib_ng = require("zlib_ng.zlib_ng", "the very bytes of this file")
        return zlib_ng.compressobj(level, zlib.DEFLATED, wbits, container["mem_level"])
    if engine == "libdeflate" and wbits > 0:
        return _Libdeflate(level)
    raise ValueError(f"no compressor is named {engine!r}")


class _Libdeflate:
    """A compressor that takes all data at once, in the words of those that do not."""

    def __init__(self, level: int) -> None:
        self._level, self._data = level, bytearray()

    def compress(self, data: bytes) -> bytes:
        self._data += data
        return b""

    def flush(self) -> bytes:
        imagecodecs = require("imagecodecs", "the very bytes of this file", "pictures")
        return bytes(imagecodecs.deflate_encode(bytes(self._data), level=self._level))
