"""Selections of one chunk, read as byte ranges out of any store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.store import RangeByteRequest

from medroi import arrays, codec
from medroi.errors import CorruptStream
from medroi.inner import trust
from medroi.selection import narrow

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core.buffer import Buffer, BufferPrototype

Stored = arrays.Memory | None
# Asks for byte ranges of the chunk, or, by an empty list, for the whole chunk; is answered by what
# the store has, in the same order, None for a chunk that is not stored.
Reading = Generator[codec.Ranges, Sequence[Stored], arrays.Array | None]


class TakeWhole(Exception):
    """Ranges do not give what was asked for; `chunk` is the whole chunk where that came instead."""

    def __init__(self, chunk: Stored = None) -> None:
        super().__init__()
        self.chunk = chunk


def read_selection(
    selection: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    threads: int,
    permitted: trust.Reading,
) -> Reading:
    """Read and decode a selection of one chunk; None where the chunk is not stored.

    The chunk is read once more, in one piece, where its ranges do not fit together (somebody
    replaced it between two reads), where a store answers with more than it was asked for (servers
    without ranges send everything), or where it refuses a range (throw `TakeWhole`).

    Raises
    ------
    CorruptStream, UnsupportedVersion, InnerUnavailable, Untrusted
    """
    narrowed, whole = narrow(selection, shape), None
    if not narrowed.is_whole(shape):
        reading = codec.decode_selection(
            narrowed.bounds,
            indices=narrowed.indices,
            shape=shape,
            dtype=dtype,
            reading=permitted,
        )
        try:
            block = yield from _read_ranges(reading)
        except TakeWhole as instead:
            whole = instead.chunk
        else:
            return None if block is None else block[narrowed.inside]
    if whole is None:
        (whole,) = yield []
    if whole is None:
        return None
    array = codec.decode(whole, shape=shape, dtype=dtype, threads=threads, reading=permitted)
    taken: arrays.Array = array[tuple(slice(*pair) for pair in narrowed.bounds)][narrowed.inside]
    return taken


def _read_ranges(reading: Generator[codec.Ranges, Sequence[Any], arrays.Array]) -> Reading:
    ranges, is_first = next(reading), True
    while True:
        found = yield ranges
        if is_first and found[0] is None:
            return None
        for data, (start, stop) in zip(found, ranges, strict=True):
            if data is None or data.nbytes > stop - start:
                raise TakeWhole(data if is_first else None)
        try:
            ranges = reading.send(found)
        except StopIteration as done:
            block: arrays.Array = done.value
            return block
        except CorruptStream:
            if is_first:
                raise
            raise TakeWhole from None
        is_first = False


def read_sync(
    byte_getter: Any, prototype: BufferPrototype, reading: Reading
) -> arrays.Array | None:
    """Answer a reading from a store that can be read without an event loop."""
    ranges, array = _advance(partial(next, reading))
    while ranges is not None:
        answer: Callable[[], codec.Ranges]
        try:
            found = [
                byte_getter.get_sync(prototype=prototype, byte_range=asked)
                for asked in _requests(ranges)
            ]
            answer = partial(reading.send, _stored(found))
        except Exception:
            if not ranges:
                raise
            answer = partial(reading.throw, TakeWhole())
        ranges, array = _advance(answer)
    return array


async def read_async(
    byte_getter: ByteGetter, prototype: BufferPrototype, reading: Reading
) -> arrays.Array | None:
    """Answer a reading; decoding runs in another thread."""
    ranges, array = _advance(partial(next, reading))
    while ranges is not None:
        answer: Callable[[], codec.Ranges]
        try:
            found = await asyncio.gather(
                *(byte_getter.get(prototype, asked) for asked in _requests(ranges))
            )
            answer = partial(reading.send, _stored(found))
        except Exception:
            if not ranges:
                raise
            answer = partial(reading.throw, TakeWhole())
        ranges, array = await asyncio.to_thread(_advance, answer)
    return array


def _requests(ranges: codec.Ranges) -> list[RangeByteRequest | None]:
    return [RangeByteRequest(*pair) for pair in ranges] if ranges else [None]


def _stored(found: Sequence[Buffer | None]) -> list[Stored]:
    # Bytes are int8 before zarr 3.0.8.
    return [None if data is None else data.as_numpy_array().view(np.uint8) for data in found]


def _advance(
    answer: Callable[[], codec.Ranges],
) -> tuple[codec.Ranges | None, arrays.Array | None]:
    """Next request of a reading, or its result."""
    try:
        return answer(), None
    except StopIteration as done:
        return None, done.value
