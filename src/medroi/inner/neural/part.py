"""The container that every learned codec's parts share: FORMAT.md section "Neural parts"."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medroi.errors import CorruptStream, UnsupportedVersion

VERSION = 1
HASH_NBYTES = 16
NO_WEIGHTS = bytes(HASH_NBYTES)
_START = struct.Struct("<BI")
_MIDDLE = struct.Struct("<16sddII")
_MAX_SETTINGS_NBYTES = 1 << 16


@dataclass(frozen=True)
class Part:
    """One part of a learned codec, taken apart.

    Attributes
    ----------
    settings : mapping
        What decoding needs to know of the architecture; fit for JSON.
    weights_hash : bytes
        Of the weights that decoding needs, 16 bytes; zeros where the part holds them.
    offset, span : float
        An intensity is offset + span * network output.
    symbols_crc : int
        CRC-32 of the decoded symbols.
    sections : tuple of bytes-like
        What was coded; each architecture says in which order.
    """

    settings: Mapping[str, Any]
    weights_hash: bytes
    offset: float
    span: float
    symbols_crc: int
    sections: tuple[bytes | memoryview, ...]


def pack(part: Part) -> bytes:
    """Bytes of a part."""
    settings = json.dumps(dict(part.settings), sort_keys=True, separators=(",", ":")).encode()
    middle = _MIDDLE.pack(
        part.weights_hash, part.offset, part.span, part.symbols_crc, len(part.sections)
    )
    lengths = struct.pack(f"<{len(part.sections)}I", *(len(section) for section in part.sections))
    return b"".join(
        [_START.pack(VERSION, len(settings)), settings, middle, lengths, *part.sections]
    )


def unpack(coded: memoryview) -> Part:
    """Take a part apart; its sections stay where they are.

    Raises
    ------
    CorruptStream
        For bytes that are not one whole part.
    UnsupportedVersion
        For a part of a later version.
    """
    version, settings_nbytes = _take(_START, coded, 0)
    if version != VERSION:
        raise UnsupportedVersion(
            f"a learned codec's part has version {version}, this version knows {VERSION}: "
            "upgrade medroi"
        )
    position = _START.size + settings_nbytes
    if settings_nbytes > _MAX_SETTINGS_NBYTES or position > len(coded):
        raise CorruptStream("corrupt stream: the settings of a learned codec's part are cut off")
    settings = _settings(bytes(coded[_START.size : position]))
    weights_hash, offset, span, crc, n_sections = _take(_MIDDLE, coded, position)
    position += _MIDDLE.size
    if not (math.isfinite(offset) and math.isfinite(span) and span >= 0):
        raise CorruptStream(f"corrupt stream: offset {offset} and span {span} of intensities")
    if n_sections > (len(coded) - position) // 4:
        raise CorruptStream(f"corrupt stream: {n_sections} sections do not fit in a part")
    lengths = struct.unpack_from(f"<{n_sections}I", coded, position)
    position += 4 * n_sections
    if position + sum(lengths) != len(coded):
        raise CorruptStream(
            f"corrupt stream: a learned codec's part has {len(coded)} bytes, "
            f"expected {position + sum(lengths)}"
        )
    return Part(settings, weights_hash, offset, span, crc, tuple(_cut(coded, position, lengths)))


def _take(layout: struct.Struct, coded: memoryview, position: int) -> tuple[Any, ...]:
    if len(coded) - position < layout.size:
        raise CorruptStream("corrupt stream: a learned codec's part is cut off")
    return layout.unpack_from(coded, position)


def _settings(text: bytes) -> dict[str, Any]:
    try:
        settings = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise CorruptStream(f"corrupt stream: settings of a learned codec: {error}") from error
    if not isinstance(settings, dict):
        raise CorruptStream("corrupt stream: the settings of a learned codec are no JSON object")
    return settings


def _cut(coded: memoryview, position: int, lengths: tuple[int, ...]) -> list[memoryview]:
    sections = []
    for nbytes in lengths:
        sections.append(coded[position : position + nbytes])
        position += nbytes
    return sections
