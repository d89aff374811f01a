"""Inner codecs that Python runs, as the engine calls them: blocks of memory to arrays and back."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from medroi.inner import trust
from medroi.inner.base import Array, Block, InnerCodec
from medroi.inner.trust import OWN_ONLY, Reading


class Hosted(abc.ABC):
    """An inner codec of Python for an engine, which calls it on any thread, holding the GIL.

    An exception of a method is handed to `failed`; the engine gets its text and its kind.
    """

    @abc.abstractmethod
    def codec(self) -> type[InnerCodec]:
        """Class of the codec; a plan may code the slabs with one of another class."""

    @abc.abstractmethod
    def dtype(self, text: str) -> np.dtype[Any]:
        """Element type of blocks whose elements the engine describes like this."""

    @abc.abstractmethod
    def reading(self) -> Reading:
        """Rights of what it decodes."""

    @abc.abstractmethod
    def failed(self, problem: BaseException) -> None:
        """Take note of what a method raised."""

    def check(self, settings: InnerCodec, shape: tuple[int, ...], dtype: str) -> None:
        """Refuse a region that cannot be coded."""
        settings.check(Block(shape, self.dtype(dtype)))

    def slab_extent(self, settings: InnerCodec, shape: tuple[int, ...], dtype: str) -> int:
        """Slices per slab."""
        return settings.part_extent(Block(shape, self.dtype(dtype)))

    def plan(
        self, settings: InnerCodec, shape: tuple[int, ...], dtype: str, memory: memoryview
    ) -> InnerCodec:
        """The codec with which each slab of a region is coded."""
        return settings.plan(self._array(shape, dtype, memory))

    def encode(
        self, settings: InnerCodec, shape: tuple[int, ...], dtype: str, memory: memoryview
    ) -> bytes:
        """One slab, coded."""
        coded = settings.encode(self._array(shape, dtype, memory))
        trust.note_written(self.codec(), [coded])
        return coded

    def decode(
        self, shape: tuple[int, ...], dtype: str, coded: memoryview, memory: memoryview
    ) -> None:
        """Decode one slab into memory."""
        codec = self.codec()
        trust.check(codec, coded, self.reading())
        codec.decode(coded, self._array(shape, dtype, memory))

    def _array(self, shape: tuple[int, ...], dtype: str, memory: memoryview) -> Array:
        return np.frombuffer(memory, self.dtype(dtype)).reshape(shape)


class Hosting(Hosted):
    """The inner codec of one encoding or decoding.

    Parameters
    ----------
    codec : type of InnerCodec
    dtype : dtype
        Of the array, in its own byte order; that of dates has a unit that the engine does not know.
    reading : Reading
        Which libraries may decode.

    Attributes
    ----------
    problems : list of BaseException
        What was raised, for the engine's caller.
    """

    def __init__(
        self, codec: type[InnerCodec], dtype: np.dtype[Any], reading: Reading = OWN_ONLY
    ) -> None:
        self.problems: list[BaseException] = []
        self._codec, self._dtype, self._reading = codec, dtype, reading

    def codec(self) -> type[InnerCodec]:
        """The class that it was made with."""
        return self._codec

    def dtype(self, text: str) -> np.dtype[Any]:
        """The array's own."""
        return self._dtype

    def reading(self) -> Reading:
        """Rights that it was made with."""
        return self._reading

    def failed(self, problem: BaseException) -> None:
        """Keep it for the engine's caller."""
        self.problems.append(problem)
