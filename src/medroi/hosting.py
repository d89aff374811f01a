"""Inner codecs that Python runs, as the engine calls them: blocks of memory to arrays and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from medroi import inner
from medroi.inner import trust
from medroi.inner.base import Array, Block, InnerCodec
from medroi.inner.trust import OWN_ONLY, Reading


class Hosting:
    """One encoding or decoding; the engine calls it on any thread, holding the GIL.

    Parameters
    ----------
    dtype : dtype
        Of the array, in its own byte order.
    inner_id : int, optional
        Of the codec that decodes.
    reading : Reading
        Which libraries may decode.

    Attributes
    ----------
    problems : list of BaseException
        What was raised, for the engine's caller.
    """

    def __init__(
        self, dtype: np.dtype[Any], inner_id: int | None = None, reading: Reading = OWN_ONLY
    ) -> None:
        self.problems: list[BaseException] = []
        self._dtype, self._reading = dtype, reading
        # A plan may code the slabs with a codec of another class.
        self._writer: type[InnerCodec] | None = None
        self._decoder = None if inner_id is None else inner.by_id(inner_id)

    def check(self, codec: InnerCodec, shape: tuple[int, ...]) -> None:
        """Refuse a region that cannot be coded."""
        self._writer = type(codec)
        codec.check(Block(shape, self._dtype))

    def slab_extent(self, codec: InnerCodec, shape: tuple[int, ...]) -> int:
        """Slices per slab."""
        return codec.part_extent(Block(shape, self._dtype))

    def plan(self, codec: InnerCodec, shape: tuple[int, ...], memory: memoryview) -> InnerCodec:
        """The codec with which each slab of a region is coded."""
        return codec.plan(self._array(shape, memory))

    def encode(self, codec: InnerCodec, shape: tuple[int, ...], memory: memoryview) -> bytes:
        """One slab, coded."""
        coded = codec.encode(self._array(shape, memory))
        assert self._writer is not None
        trust.note_written(self._writer, [coded])
        return coded

    def decode(self, shape: tuple[int, ...], coded: memoryview, memory: memoryview) -> None:
        """Decode one slab into memory."""
        assert self._decoder is not None
        trust.check(self._decoder, coded, self._reading)
        self._decoder.decode(coded, self._array(shape, memory))

    def _array(self, shape: tuple[int, ...], memory: memoryview) -> Array:
        return np.frombuffer(memory, self._dtype).reshape(shape)
