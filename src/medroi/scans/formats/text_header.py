"""Headers that are lines of text before the voxels."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from medroi.errors import InvalidArgument
from medroi.scans.formats.files import Readable

_MAX_NBYTES = 1 << 20


def read_lines(
    file: Readable,
    path: Path,
    is_last: Callable[[bytes], bool],
    may_end: Callable[[bytes], bool] = lambda text: False,
) -> bytes:
    """Read lines up to the last one of a header, not a byte further.

    Parameters
    ----------
    file : readable
        Contents of the file.
    path : Path
        What errors name.
    is_last : callable
        Tells by a line, with its end.
    may_end : callable
        Tells by all lines whether the file may end without a last one.

    Raises
    ------
    InvalidArgument
        Where the file ends before, or no header is that long.
    """
    text, line = bytearray(), bytearray()
    while True:
        byte = file.read(1)
        if not byte and may_end(bytes(text + line)):
            return bytes(text + line)
        if not byte:
            raise InvalidArgument(f"{path}: the file ends inside its header; it is truncated")
        line += byte
        if byte == b"\n":
            text += line
            if is_last(bytes(line)):
                return bytes(text)
            line.clear()
        if len(text) + len(line) > _MAX_NBYTES:
            raise InvalidArgument(f"{path}: a header of more than {_MAX_NBYTES} bytes")


def lines_of(text: bytes) -> list[str]:
    """Lines of a header as Latin-1, whose own line ends are bytes of letters in UTF-8."""
    return [line.decode("latin-1") for line in text.splitlines()]


def file_name(value: str) -> str:
    """A name of a file in a header that was read as Latin-1: its bytes are those on the disk."""
    return os.fsdecode(value.encode("latin-1"))
