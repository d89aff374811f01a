"""One pass over a file: its contents for a reader, its digests on the way."""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.scan import require
from medroi.scans.sources import gzip_members
from medroi.scans.sources.source import OTHER, PLAIN, Evidence, SourceFile

MARK_NBYTES = 1 << 20
_HEAD_NBYTES = 1 << 20
_BLOCK_NBYTES = 1 << 18
# A file of nothing but the start of another container says nothing; this many bytes tell.
_MAGIC_NBYTES = 6
_DRAIN_NBYTES = 1 << 20
# Deflate makes no more than this of a byte; other kinds have no such bound.
_MAX_INFLATION = {"plain": 1, "gzip": 1032, "zlib": 1032}
# What xz -9 asks for is 65 MB; a header may ask for 4 GB.
_MAX_XZ_NBYTES = 1 << 28


class Contents(Protocol):
    """Contents of a file as a decompressor gives them."""

    def read(self, nbytes: int) -> bytes:
        """Return up to so many bytes; none at their end."""


class SourceReader:
    """A file that is read once from its start, with digests of it and of its contents.

    Attributes
    ----------
    path : Path
        The file.
    is_compressed : bool
        Whether its contents are decompressed on the way, whatever its name says.
    position : int
        Bytes of the contents that were read.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file
        self._digest = hashlib.sha256()
        self._contents_digest = hashlib.sha256()
        self.position = self._start = 0
        self._nbytes = 0
        self._crc = 0
        self._head = bytearray()
        self._marks: list[int] = []
        self._peeked = b""
        self._peeked = self._raw(_MAGIC_NBYTES)
        self._kind = _kind_of(self._peeked)
        self.is_compressed = self._kind != "plain"
        self._contents = _contents(self._kind, self._raw)

    def read(self, nbytes: int) -> bytes:
        """Return so many bytes of the contents, or fewer at their end."""
        blocks, missing = [], nbytes
        while missing > 0:
            block = self._contents.read(missing)
            if not block:
                break
            self._contents_digest.update(block)
            self.position += len(block)
            blocks.append(block)
            missing -= len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def may_hold(self, nbytes: int) -> bool:
        """Whether the file is large enough for contents of this size, as far as its kind tells."""
        file_nbytes = os.fstat(self._file.fileno()).st_size
        return nbytes <= _MAX_INFLATION.get(self._kind, 0) * file_nbytes

    def mapped(self, start: int, nbytes: int) -> npt.NDArray[np.uint8]:
        """Map bytes of a file that is not compressed, for reading only."""
        place = self._file.tell()
        found = np.memmap(self._file, np.uint8, "r", offset=start, shape=(nbytes,))
        self._file.seek(place)
        return found.view(np.ndarray)

    def decompress(self, kind: str) -> None:
        """Take what follows for compressed data: ``"gzip"``, ``"zlib"`` or ``"bzip2"``.

        Raises
        ------
        InvalidArgument
            Where the file is compressed as a whole as well.
        """
        if self._kind == kind and not self.position:
            return
        if self.is_compressed:
            raise InvalidArgument(
                f"{self.path}: compressed data in a file that is compressed itself; unpack it with "
                f"{self._kind} first"
            )
        self._kind, self.is_compressed, self._start = kind, True, self.position
        self._contents = _contents(kind, self._raw)

    def finish(self, name: str | None = None, role: str = "image") -> SourceFile:
        """Read what is left, and say what the file was.

        Parameters
        ----------
        name : str, optional
            Under which it is kept; that of the file by default.
        role : str
            As in `SourceFile`.
        """
        while self.read(_DRAIN_NBYTES) or self._raw(_DRAIN_NBYTES):
            pass
        name = self.path.name if name is None else name
        sha256 = self._digest.hexdigest()
        if not self.is_compressed:
            return SourceFile(name, self._nbytes, sha256, sha256, role, dict(PLAIN))
        start = {"start": self._start} if self._start else {}
        if isinstance(self._contents, gzip_members.GzipContents):
            container = self._contents.container
        else:
            container = {"kind": self._kind}
        evidence = None
        if container is not None:
            evidence = Evidence({**container, **start}, bytes(self._head), tuple(self._marks))
        contents_sha256 = self._contents_digest.hexdigest()
        return SourceFile(
            name, self._nbytes, sha256, contents_sha256, role, dict(OTHER), evidence=evidence
        )

    def _raw(self, nbytes: int) -> bytes:
        """Read the next bytes of the file."""
        if self._peeked:
            block, self._peeked = self._peeked[:nbytes], self._peeked[nbytes:]
            return block
        block = self._file.read(nbytes)
        self._digest.update(block)
        self._mark(block)
        self._nbytes += len(block)
        return block

    def _mark(self, block: bytes) -> None:
        """Take in what tells early whether a file that is made again is this one."""
        if len(self._head) < _HEAD_NBYTES:
            self._head += block[: _HEAD_NBYTES - len(self._head)]
        start, at = 0, self._nbytes
        while start < len(block):
            stop = min(len(block), start + MARK_NBYTES - at % MARK_NBYTES)
            self._crc = zlib.crc32(block[start:stop], self._crc)
            at += stop - start
            start = stop
            if at % MARK_NBYTES == 0:
                self._marks.append(self._crc)


@contextlib.contextmanager
def source_opened(path: Path) -> Iterator[SourceReader]:
    """Open a file that may be compressed, whatever its name says.

    Raises
    ------
    InvalidArgument
        Where its compressed data are damaged or truncated.
    InnerUnavailable
        Where it is zstd and the package zstandard is not installed.
    """
    with path.open("rb") as file:
        reader = None
        try:
            reader = SourceReader(path, file)
            yield reader
        except InvalidArgument as error:
            if str(error).startswith("damaged gzip data"):
                raise InvalidArgument(f"{path}: {error}; {_ADVICE['gzip']}") from error
            raise
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            if reader is None or not reader.is_compressed or getattr(error, "errno", None):
                raise
            kind = reader._kind
            raise InvalidArgument(
                f"{path}: damaged {kind} data ({error}); {_ADVICE[kind]}"
            ) from error


_ADVICE = {
    kind: f"get the file again, or unpack it with {program} and see what is missing"
    for kind, program in (
        ("gzip", "gzip"),
        ("zlib", "the program that wrote it"),
        ("bzip2", "bzip2"),
        ("xz", "xz"),
        ("zstd", "zstd"),
    )
}


def _kind_of(magic: bytes) -> str:
    if magic.startswith(gzip_members.MAGIC):
        return "gzip"
    if magic.startswith(b"BZh") and magic[3:4].isdigit():
        return "bzip2"
    if magic.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return "zstd"
    return "plain"


def _contents(kind: str, read: Any) -> Contents:
    if kind == "gzip":
        return gzip_members.GzipContents(read)
    if kind == "plain":
        return _Plain(read)
    if kind == "zlib":
        return _Zlib(read)
    if kind == "bzip2":
        return _Streams(read, bz2.BZ2Decompressor)
    if kind == "xz":
        return _Streams(read, lambda: lzma.LZMADecompressor(memlimit=_MAX_XZ_NBYTES))
    return _Zstd(read)


class _Plain:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def read(self, nbytes: int) -> bytes:
        return self._read(nbytes)


class _Streams:
    """One or more compressed streams behind each other, by a decompressor of Python's."""

    def __init__(self, read: Callable[[int], bytes], make: Callable[[], Any]) -> None:
        self._read, self._make = read, make
        self._stream = make()
        self._data = b""
        self._at_end = False

    def read(self, nbytes: int) -> bytes:
        while not self._at_end:
            if self._stream.eof:
                self._data = self._stream.unused_data.lstrip(b"\0") or self._read(_BLOCK_NBYTES)
                if not self._data:
                    self._at_end = True
                    break
                self._stream = self._make()
            elif self._stream.needs_input and not self._data:
                self._data = self._read(_BLOCK_NBYTES)
                if not self._data:
                    raise EOFError("the file ends inside its compressed data; it is truncated")
            data, self._data = self._data, b""
            found: bytes = self._stream.decompress(data, nbytes)
            if found:
                return found
        return b""


class _Zlib:
    """One zlib stream, with nothing behind it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._stream = zlib.decompressobj()
        self._data = b""

    def read(self, nbytes: int) -> bytes:
        while not self._stream.eof:
            self._data = self._data or self._read(_BLOCK_NBYTES)
            if not self._data:
                raise EOFError("the file ends inside its compressed data; it is truncated")
            found = self._stream.decompress(self._data, nbytes)
            self._data = self._stream.unconsumed_tail
            if found:
                return found
        return b""


class _Zstd:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        zstandard = require("zstandard", "a zstd file")
        self._error = zstandard.ZstdError
        self._reader = zstandard.ZstdDecompressor().stream_reader(
            _Raw(read), read_across_frames=True
        )

    def read(self, nbytes: int) -> bytes:
        try:
            block: bytes = self._reader.read(nbytes)
        except self._error as error:
            raise EOFError(str(error)) from error
        return block


class _Raw:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read
