"""The bytes of a file, made of its contents and of how it was compressed."""

from __future__ import annotations

import base64
import binascii
import bz2
import hashlib
import itertools
import lzma
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.scan import require
from medroi.scans.sources import deflate, png_data
from medroi.scans.sources.source import PLAIN
from medroi.threads import Pool

Blocks = Iterable[Any]
# Behind gzip data, what a tape fills up: far less.
_MAX_ZEROS = 1 << 24
# Contents go to a compressor in blocks of this size wherever they come from, as the output of
# some coders depends on it.
_BLOCK_NBYTES = 1 << 17
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


# Level 6, without name and time.
_GZIP: dict[str, Any] = {
    "kind": "gzip",
    "engine": "zlib",
    "level": 6,
    "mem_level": 8,
    "members": [{"header_base64": base64.b64encode(_GZIP_HEADER).decode("ascii")}],
}
# Last suffix of a file -> its container, as the programs of these names make it by themselves.
_BY_SUFFIX: dict[str, dict[str, Any]] = {
    ".gz": _GZIP,
    ".mgz": _GZIP,
    ".bz2": {"kind": "bzip2", "level": 9},
    ".xz": {"kind": "xz", "preset": 6, "check": lzma.CHECK_CRC64},
    ".zst": {"kind": "zstd", "level": 3, "checksum": True, "contents_nbytes": None, "threads": 0},
}


def container_of(suffix: str) -> dict[str, Any]:
    """Give the container that the suffix of a new file stands for."""
    return _BY_SUFFIX.get(f".{suffix.rpartition('.')[2]}", PLAIN)


@dataclass(frozen=True)
class Written:
    """A file that was written: its size, and SHA-256 of it and of its contents."""

    nbytes: int
    sha256: str
    contents_sha256: str


def write_blocks(path: Path, contents: Blocks, container: dict[str, Any]) -> Written:
    """Write contents into a file, in a container of a `SourceFile`; replaces the file."""
    of_contents, of_file, nbytes = hashlib.sha256(), hashlib.sha256(), 0
    is_plain = container["kind"] == "plain"
    # Digesting takes as long as writing, or more: neither waits for the other.
    with path.open("wb") as file, Pool(1) as beside:

        def hashed() -> Iterator[Any]:
            for block in contents:
                digesting = beside.submit(of_contents.update, block)
                yield block
                digesting.result()

        for block in packed(hashed(), container):
            file.write(block)
            nbytes += len(block)
            if not is_plain:
                of_file.update(block)
    digest = of_contents.hexdigest()
    return Written(nbytes, digest if is_plain else of_file.hexdigest(), digest)


_WRONG_SETTINGS = (
    *(AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError),
    *(binascii.Error, zlib.error, lzma.LZMAError, struct.error),
)


def packed(contents: Blocks, container: dict[str, Any]) -> Iterator[Any]:
    """Give the bytes of a file, block by block.

    Parameters
    ----------
    contents : iterable of bytes-like
        What the file holds uncompressed.
    container : dict
        As in `SourceFile`, of any kind but ``"other"``.

    Raises
    ------
    InvalidArgument
        Where the container is damaged.
    InnerUnavailable
        Where a library that it needs is not installed.
    """
    kind = container["kind"]
    if kind == "plain":
        yield from contents
        return
    if kind not in _MAKERS:
        raise InvalidArgument(f"a container of kind {kind!r}; this release makes {list(_MAKERS)}")
    try:
        start = int(container.get("start", 0))
        if start:
            before, contents = _split(contents, start)
            yield before
        if deflate.takes_all_at_once(container):
            blocks = iter((memoryview(b"".join(contents)),))
        else:
            blocks = _evenly(contents)
        yield from _MAKERS[kind](blocks, container)
    except _WRONG_SETTINGS as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"the settings of a {kind} container are damaged: {error}") from error


def _split(contents: Blocks, nbytes: int) -> tuple[bytes, Blocks]:
    """Take the first bytes of contents, which no container holds."""
    blocks, before = iter(contents), bytearray()
    for block in blocks:
        view = memoryview(block).cast("B")
        missing = nbytes - len(before)
        before += view[:missing]
        if len(before) == nbytes:
            return bytes(before), itertools.chain((view[missing:],), blocks)
    return bytes(before), ()


def _evenly(contents: Blocks) -> Iterator[memoryview]:
    """Cut contents at multiples of one size, counted from their start."""
    held = bytearray()
    for block in contents:
        view = memoryview(block).cast("B")
        if held:
            missing = _BLOCK_NBYTES - len(held)
            held += view[:missing]
            view = view[missing:]
            if len(held) < _BLOCK_NBYTES:
                continue
            yield memoryview(bytes(held))
            held.clear()
        whole = len(view) - len(view) % _BLOCK_NBYTES
        for start in range(0, whole, _BLOCK_NBYTES):
            yield view[start : start + _BLOCK_NBYTES]
        held += view[whole:]
    if held:
        yield memoryview(bytes(held))


def _gzip(blocks: Iterator[memoryview], container: dict[str, Any]) -> Iterator[bytes]:
    rest = memoryview(b"")
    for member in container["members"]:
        yield base64.b64decode(member["header_base64"], validate=True)
        coder = deflate.compressor(container)
        # Without a size all that is left is this member's.
        missing = int(member.get("contents_nbytes", sys.maxsize))
        crc = nbytes = 0
        while missing > 0:
            if not rest:
                rest = next(blocks, memoryview(b""))
            if not rest:
                break
            block, rest = rest[:missing], rest[missing:]
            crc = zlib.crc32(block, crc)
            nbytes += len(block)
            missing -= len(block)
            yield coder.compress(block)
        yield coder.flush()
        yield struct.pack("<II", crc, nbytes & 0xFFFFFFFF)
    missing = deflate.bounded(container.get("trailing_zeros", 0), 0, _MAX_ZEROS)
    while missing > 0:
        yield bytes(min(missing, _BLOCK_NBYTES))
        missing -= _BLOCK_NBYTES


def _zlib(blocks: Iterator[memoryview], container: dict[str, Any]) -> Iterator[bytes]:
    yield from _coded(deflate.compressor(container, zlib.MAX_WBITS), blocks)


def _bzip2(blocks: Iterator[memoryview], container: dict[str, Any]) -> Iterator[bytes]:
    yield from _coded(bz2.BZ2Compressor(deflate.bounded(container["level"], 1, 9)), blocks)


def _xz(blocks: Iterator[memoryview], container: dict[str, Any]) -> Iterator[bytes]:
    coder = lzma.LZMACompressor(
        lzma.FORMAT_XZ, check=container["check"], preset=container["preset"]
    )
    yield from _coded(coder, blocks)


def _zstd(blocks: Iterator[memoryview], container: dict[str, Any]) -> Iterator[bytes]:
    zstandard = require("zstandard", "a zstd file")
    size = container["contents_nbytes"]
    coder = zstandard.ZstdCompressor(
        level=deflate.bounded(container["level"], 1, 22),
        write_checksum=container["checksum"],
        write_content_size=size is not None,
        threads=deflate.bounded(container["threads"], 0, 1),
    )
    yield from _coded(coder.compressobj(**({} if size is None else {"size": size})), blocks)


def _coded(coder: Any, blocks: Iterator[memoryview]) -> Iterator[bytes]:
    for block in blocks:
        yield coder.compress(block)
    yield coder.flush()


_MAKERS: dict[str, Callable[[Iterator[memoryview], dict[str, Any]], Iterator[bytes]]] = {
    "png": png_data.made,
    "gzip": _gzip,
    "zlib": _zlib,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
}
