"""Settings that made a compressed file: tried until one makes the very bytes again."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from medroi.errors import MedROIError
from medroi.scans.sources import deflate, png_data
from medroi.scans.sources.containers import Blocks, packed
from medroi.scans.sources.reading import MARK_NBYTES
from medroi.scans.sources.source import Evidence, SourceFile

# A zstd frame says in its header whether it has a checksum and a size, not its level.
_ZSTD_LEVELS = (3, 19, 1, 9, 10, *(n for n in range(2, 23) if n not in (3, 19, 9, 10)))
_XZ_PRESETS = (6, 9, 0, 1, 2, 3, 4, 5, 7, 8)
_XZ_EXTREME = 1 << 31
# So many equal bytes are no accident.
_MIN_BLOCK_NBYTES = 256
# A compressor that takes all contents at once needs the memory for them.
_MAX_AT_ONCE_NBYTES = 1 << 30
_START_NBYTES, _MIN_START_NBYTES = 1 << 18, 1 << 16
_DEFLATE: dict[str, Any] = {"engine": "zlib", "level": 6, "mem_level": 8, "is_exact": False}
# What makes other bytes of the same contents.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "gzip": _DEFLATE,
    "zlib": _DEFLATE,
    "png": {"level": 6, "mem_level": 8, "strategy": 1, "is_exact": False},
    "bzip2": {"level": 9, "is_exact": False},
    "xz": {"preset": 6, "check": 4, "is_exact": False},
    "zstd": {
        "level": 3,
        "checksum": True,
        "contents_nbytes": None,
        "threads": 0,
        "is_exact": False,
    },
}
# In an xz header.
_CHECK_OFFSET = 7


class _Stopped(MedROIError):
    """Nobody waits for what is being found any more."""


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
    trials = _Trials(file, evidence, contents)
    container = trials.container()
    if container is None:
        container = {**evidence.container, **_DEFAULTS[evidence.container["kind"]]}
    return dataclasses.replace(file, container=container, evidence=None)


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
                raise _Stopped("stopped")
            yield block

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        tasks = [pool.submit(found, file, functools.partial(blocks, file)) for file in files]
        try:
            yield lambda: tuple(task.result() for task in tasks)
        finally:
            stopped = True


class _Trials:
    """Settings tried one after another on one file."""

    def __init__(
        self, file: SourceFile, evidence: Evidence, contents: Callable[[], Blocks]
    ) -> None:
        self._file, self._evidence, self._contents = file, evidence, contents

    def container(self) -> dict[str, Any] | None:
        """Return the container that makes the file; None where none of those known does."""
        evidence = self._evidence
        kind, head = evidence.container["kind"], evidence.head[evidence.container.get("start", 0) :]
        if kind in ("gzip", "zlib"):
            return self._deflated()
        for settings in _candidates(kind, head):
            if self._n_same(settings) is None:
                return {**evidence.container, **settings}
        return None

    def _deflated(self) -> dict[str, Any] | None:
        base = self._evidence.container
        for settings in deflate.of_zlib(deflate.levels_of(base)):
            n_same = self._n_same(settings)
            if n_same is None:
                return {**base, **settings}
            # pigz begins as zlib does where a block of deflate ends before its first one does.
            may_be_pigz = settings["level"] == deflate.LEVELS[0] or n_same > _MIN_BLOCK_NBYTES
            if base["kind"] == "gzip" and settings["mem_level"] == 8 and may_be_pigz:
                for of_pigz in deflate.of_pigz(settings["level"]):
                    if self._n_same(of_pigz) is None:
                        return {**base, **of_pigz}
        if self._file.nbytes > _MAX_AT_ONCE_NBYTES:
            return None
        others = deflate.of_zlib_ng()
        if base["kind"] == "gzip" and len(base["members"]) == 1:
            others = itertools.chain(others, deflate.of_gzip(deflate.levels_of(base)))
        for settings in others:
            if self._begins(settings) and self._n_same(settings) is None:
                return {**base, **settings}
        return None

    def _begins(self, settings: dict[str, Any]) -> bool:
        """Whether a compressor that is slow to show its output makes the start of the file."""
        start = bytearray()
        for block in self._contents():
            start += memoryview(block).cast("B")[: _START_NBYTES - len(start)]
            if len(start) == _START_NBYTES:
                break
        made = b"".join(packed([bytes(start)], {**self._evidence.container, **settings}))
        # Its last block differs, as more was to come, and may be all that there is.
        common = made[: len(made) // 2]
        return len(made) < _MIN_START_NBYTES or self._evidence.head.startswith(common)

    def _n_same(self, settings: dict[str, Any]) -> int | None:
        """Compare what settings make with the file; None where it is the file.

        Else a number of bytes that are the same: comparing ends soon behind them.
        """
        try:
            container = {**self._evidence.container, **settings, "is_trial": True}
            return self._compared(packed(self._contents(), container))
        except _Stopped:
            raise
        except MedROIError:
            return 0

    def _compared(self, made: Iterator[Any]) -> int | None:
        head, marks = self._evidence.head, self._evidence.marks
        digest, nbytes, crc = hashlib.sha256(), 0, 0
        for block in made:
            view = memoryview(block)
            expected = head[nbytes : nbytes + len(view)]
            if view[: len(expected)] != expected:
                return nbytes
            digest.update(view)
            while view:
                part = view[: MARK_NBYTES - nbytes % MARK_NBYTES]
                crc = zlib.crc32(part, crc)
                nbytes += len(part)
                view = view[len(part) :]
                at_mark = nbytes % MARK_NBYTES == 0
                if at_mark and marks[nbytes // MARK_NBYTES - 1 :][:1] != (crc,):
                    return nbytes
            if nbytes > self._file.nbytes:
                return nbytes
        return None if digest.hexdigest() == self._file.sha256 else nbytes


def _candidates(kind: str, head: bytes) -> Iterator[dict[str, Any]]:
    if kind == "png":
        yield from png_data.candidates()
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
