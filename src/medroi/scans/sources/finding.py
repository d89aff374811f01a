"""Settings that made a compressed file: tried until one makes the very bytes again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from medroi.errors import MedROIError
from medroi.scans.sources import deflate
from medroi.scans.sources.containers import Blocks, packed
from medroi.scans.sources.reading import MARK_NBYTES
from medroi.scans.sources.source import SourceFile

# A zstd frame says in its header whether it has a checksum and a size, not its level.
_ZSTD_LEVELS = (3, 19, 1, 9, 10, *(n for n in range(2, 23) if n not in (3, 19, 9, 10)))
_XZ_PRESETS = (6, 9, 0, 1, 2, 3, 4, 5, 7, 8)
_XZ_EXTREME = 1 << 31
# No compressor of ours needs longer than this to show that a setting is the wrong one.
_CHECK_OFFSET = 7


def found(file: SourceFile, contents: Callable[[], Blocks]) -> SourceFile:
    """Return a source file with the container that makes it again, where there is one.

    Parameters
    ----------
    file : SourceFile
        As it was read.
    contents : callable
        Gives what the file holds uncompressed, from its start, each time it is called.
    """
    evidence = file.evidence
    if evidence is None:
        return file
    for settings in _candidates(evidence.container, evidence.head):
        container = {**evidence.container, **settings}
        with contextlib.suppress(MedROIError):
            if _makes(file, packed(contents(), container)):
                return dataclasses.replace(file, container=container, evidence=None)
    return dataclasses.replace(file, evidence=None)


@contextlib.contextmanager
def finding(
    files: tuple[SourceFile, ...], contents: Callable[[SourceFile], Blocks]
) -> Iterator[Callable[[], tuple[SourceFile, ...]]]:
    """Find the containers of files beside other work: compressors do not hold the interpreter.

    Gives a function that waits for them. Leaving the block early stops the search.
    """
    stopped = False

    def blocks(file: SourceFile) -> Iterator[Any]:
        for block in contents(file):
            if stopped:
                raise MedROIError("stopped")
            yield block

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        tasks = [pool.submit(found, file, functools.partial(blocks, file)) for file in files]
        try:
            yield lambda: tuple(task.result() for task in tasks)
        finally:
            stopped = True


def _makes(file: SourceFile, made: Iterator[Any]) -> bool:
    """Whether blocks are a file, byte for byte; gives up at the first that is not."""
    evidence = file.evidence
    assert evidence is not None
    digest, nbytes, crc = hashlib.sha256(), 0, 0
    for block in made:
        view = memoryview(block)
        expected = evidence.head[nbytes : nbytes + len(view)]
        if view[: len(expected)] != expected:
            return False
        digest.update(view)
        while view:
            part = view[: MARK_NBYTES - nbytes % MARK_NBYTES]
            crc = zlib.crc32(part, crc)
            nbytes += len(part)
            view = view[len(part) :]
            if nbytes % MARK_NBYTES == 0 and evidence.marks[nbytes // MARK_NBYTES - 1 :][:1] != (
                crc,
            ):
                return False
        if nbytes > file.nbytes:
            return False
    return digest.hexdigest() == file.sha256


def _candidates(container: dict[str, Any], head: bytes) -> Iterator[dict[str, Any]]:
    kind, head = container["kind"], head[container.get("start", 0) :]
    if kind == "gzip":
        yield from deflate.candidates(container)
    elif kind == "zlib":
        yield from deflate.settings(deflate.LEVELS)
    elif kind == "bzip2":
        # The digit behind "BZh" is the level.
        yield {"level": int(head[3:4])}
    elif kind == "xz":
        for preset in _XZ_PRESETS:
            for extreme in (0, _XZ_EXTREME):
                yield {"preset": preset | extreme, "check": head[_CHECK_OFFSET]}
    elif kind == "zstd":
        yield from _zstd_candidates(head)


def _zstd_candidates(head: bytes) -> Iterator[dict[str, Any]]:
    # RFC 8878, 3.1.1.1: flags, window, dictionary, size.
    flags = head[4]
    single, checksum = bool(flags & 0x20), bool(flags & 4)
    size_nbytes = (1 if single else 0, 2, 4, 8)[flags >> 6]
    start = 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
    size = None
    if size_nbytes:
        size = int.from_bytes(head[start : start + size_nbytes], "little")
        size += 256 if size_nbytes == 2 else 0
    for threads in (0, 1):
        for level in _ZSTD_LEVELS:
            yield {
                "level": level,
                "checksum": checksum,
                "contents_nbytes": size,
                "threads": threads,
            }


__all__ = ["finding", "found"]
