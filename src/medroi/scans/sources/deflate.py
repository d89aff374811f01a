"""The settings of zlib that make a gzip file again, found by trying.

What deflate gives for a level and a memory level has been the same in every zlib for years; other
programs with coders of their own (gzip, libdeflate, zlib-ng, Cloudflare's) give other bytes. The
likeliest settings come first, and each is given up at the first byte that differs, so that the
wrong ones cost little and the right one costs one compression.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

LEVELS = (6, 1, 9, 5, 4, 3, 2, 7, 8)
_MEM_LEVELS = (8, 9)
# XFL of a gzip header, by the level that a program says it used.
_LEVELS_BY_XFL = {2: 9, 4: 1}
_XFL_OFFSET = 8


def candidates(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give settings to try for a gzip container, the likeliest first.

    Parameters
    ----------
    container : dict
        As `GzipContents` gives it.
    """
    header = base64.b64decode(container["members"][0]["header_base64"])
    said = _LEVELS_BY_XFL.get(header[_XFL_OFFSET])
    levels = LEVELS if said is None else (said, *(n for n in LEVELS if n != said))
    yield from settings(levels)


def settings(levels: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Give settings to try, for levels in the order in which they are likely."""
    for mem_level in _MEM_LEVELS:
        for level in levels:
            yield {"engine": "zlib", "level": level, "mem_level": mem_level}


def compressor(container: dict[str, Any], wbits: int = -zlib.MAX_WBITS) -> Any:
    """Make the compressor for the settings of a container: of raw deflate data, or of zlib's."""
    return zlib.compressobj(container["level"], zlib.DEFLATED, wbits, container["mem_level"])
