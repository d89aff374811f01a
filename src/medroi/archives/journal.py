"""The journal: what was done, a line each, appended and never changed.

A journal is a folder of segments, ``000007.jsonl`` or ``000007-part-1-of-4.jsonl``; in an object
store also ``000007.000001.jsonl``, of a few seconds. Each run writes its own. Of two records of one
path that of the later segment, and of the later line in it, counts. A line is eight hexadecimal
digits, a space and a JSON value; the digits are the CRC-32 of the value's bytes that goes on from
that of the line before, so that a line that was changed, taken out or put in is found. The first
line of a segment says what wrote it, and in which version.

What a kill or a power cut leaves is a last line that is not whole: it is passed over, and what it
stood for is done again.
"""

from __future__ import annotations

import json
import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from medroi.archives.records import leads_out
from medroi.errors import CorruptStream, UnsupportedVersion

VERSION = 1
_NAME = re.compile(r"(\d{6,})(-part-\d+-of-\d+)?(\.\d{6,})?\.jsonl")
_LARGEST_LINE_NBYTES = 1 << 28
_CUT_HEADER = re.compile(rb"[0-9a-f]{0,8}( \{[^}]*)?")
# Lines are written at once, and on the disk after this at most: power that fails costs the rest.
_SYNC_S = 0.2


def segment_name(number: int, part: str = "") -> str:
    """Name of a segment."""
    return f"{number:06d}{part}.jsonl"


def is_segment(name: str) -> bool:
    """Whether a file in the journal's folder is one of its segments."""
    return _NAME.fullmatch(name) is not None


def is_batch(name: str) -> bool:
    """Whether a segment holds what a run of an object store did in a few seconds."""
    found = _NAME.fullmatch(name)
    return found is not None and found[3] is not None


def next_number(names: Iterable[str]) -> int:
    """The number of a new run, above those that are there."""
    found = [int(match[1]) for name in names if (match := _NAME.fullmatch(name))]
    return max(found, default=0) + 1


class Lines:
    """Turns values into lines, each with the CRC that goes on from the line before."""

    def __init__(self) -> None:
        self._crc = 0

    def header(self, number: int) -> bytes:
        """The first line of a segment."""
        return self.line({"medroi_journal": VERSION, "run": number})

    def line(self, value: Any) -> bytes:
        """One line, with its end."""
        text = json.dumps(value, separators=(",", ":")).encode("ascii")
        self._crc = zlib.crc32(text, self._crc)
        return b"%08x %s\n" % (self._crc, text)


class SegmentFile:
    """Appends records to a segment on a disk; used by one thread."""

    def __init__(self, path: str, number: int) -> None:
        self._lines = Lines()
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115
        self._synced, self.nbytes, self.n_records = 0.0, 0, 0
        self._write(self._lines.header(number))
        self.flush()

    def add(self, found: Mapping[str, Any]) -> int:
        """Append a record as JSON values, and say where its line begins."""
        start = self.nbytes
        self._write(self._lines.line(found))
        self.n_records += 1
        if time.monotonic() - self._synced > _SYNC_S:
            self.flush()
        return start

    def flush(self) -> None:
        """Wait until all that was added is on the disk."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _write(self, data: bytes) -> None:
        self.nbytes += len(data)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]


def read_segment(name: str, file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the records of a segment, as JSON values, and where each line begins.

    One line is in memory at a time.

    Parameters
    ----------
    name : str
        For messages.
    file : binary file

    Raises
    ------
    CorruptStream
        Where a line that is not the last was damaged, changed, taken out or put in, or the file
        is no journal of ours.
    UnsupportedVersion
        For a journal of another version.
    """
    crc, number, start = 0, 0, 0
    while line := file.readline(_LARGEST_LINE_NBYTES):
        number += 1
        text = _text_of(line, crc)
        if text is None:
            # Only the last line can be one that a kill cut off.
            if not line.endswith(b"\n") and (number > 1 or _CUT_HEADER.fullmatch(line)):
                return
            raise CorruptStream(
                f"{name}: line {number} is not what medroi wrote: it was damaged or edited. Move "
                "this file out of the folder journal: what its lines stand for is then done again"
            )
        crc = zlib.crc32(text, crc)
        value = json.loads(text)
        if number == 1:
            _check_header(name, value)
        else:
            _check_names(name, number, value)
            yield start, value
        start += len(line)


def read_line(file: IO[bytes], start: int) -> dict[str, Any]:
    """Read one record again, as JSON values, from where `read_segment` said its line begins."""
    file.seek(start)
    found: dict[str, Any] = json.loads(file.readline()[9:])
    return found


def _text_of(line: bytes, crc: int) -> bytes | None:
    """The JSON of a whole line; None of any other."""
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return None
    text = line[9:-1]
    try:
        expected = int(line[:8], 16)
    except ValueError:
        return None
    return text if zlib.crc32(text, crc) == expected else None


def _check_names(name: str, number: int, value: Any) -> None:
    """Refuse names that lead out of the archive or the tree: what they name may be removed."""
    try:
        names = [value["path"], value.get("target", "")]
        names += [one[0] for key in ("files", "stored_files") for one in value.get(key, ())]
        wrong = [one for one in names if leads_out(one)]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise CorruptStream(f"{name}: line {number} is no record of medroi") from error
    if wrong:
        raise CorruptStream(
            f"{name}: line {number} names {wrong[0]!r}, which leads out of the tree"
        )


def _check_header(name: str, value: Any) -> None:
    version = value.get("medroi_journal") if isinstance(value, dict) else None
    if version is None:
        raise CorruptStream(f"{name}: no journal of medroi; move this file out of the folder")
    if version != VERSION:
        raise UnsupportedVersion(
            f"{name}: a journal of version {version}, this medroi reads {VERSION}: use the medroi "
            "that wrote it, or archive into another folder"
        )
