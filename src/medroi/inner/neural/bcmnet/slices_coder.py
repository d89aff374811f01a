"""Slices of integers to sections of bytes and back, by the network over the lossy base."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream
from medroi.inner.neural.bcmnet import mixtures
from medroi.inner.neural.bcmnet.layers import Layers
from medroi.inner.neural.bcmnet.model import SUB_IMAGES
from medroi.inner.neural.bcmnet.order import steps
from medroi.inner.neural.bcmnet.walk import SubImage, walk

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Limits:
    """Limits that all indices of a slab keep to.

    Attributes
    ----------
    low, high : int
        The smallest and the largest index.
    top : float
        By which indices are divided for the network.
    """

    low: int
    high: int
    top: float


@dataclass(frozen=True)
class Coded:
    """A part's residuals.

    Attributes
    ----------
    sections : tuple of bytes-like
        One for each sub-image that has voxels.
    crc : int
        CRC-32 of the residuals as little-endian int32 in coding order.
    """

    sections: tuple[bytes | memoryview, ...]
    crc: int


def encode(network: Layers, indices: Ints, lossy: Ints, limits: Limits) -> Coded:
    """Residuals of slices [slices, height, width] over their lossy values, within the limits."""
    residuals = indices - lossy
    sections: list[bytes | memoryview] = []
    crc = 0

    def exchange(places: mixtures.Floats, part: SubImage) -> Ints:
        nonlocal crc
        residual = part.of(residuals).reshape(-1)
        doubts = mixtures.find_doubts(places)
        coder = _coder(mixtures.decide(places, doubts), part.of(lossy), limits)
        sections.append(doubts.to_bytes() + coder.encode(residual))
        crc = _crc(residual, crc)
        return residual

    walk(network, lossy, limits.top, exchange)
    return Coded(tuple(sections), crc)


def decode(network: Layers, coded: Coded, lossy: Ints, limits: Limits) -> Ints:
    """The slices that `encode` was given.

    Raises
    ------
    CorruptStream
        For other bytes, and where this machine's network gave other numbers.
    """
    sections = iter(coded.sections)
    crc = 0

    def exchange(places: mixtures.Floats, part: SubImage) -> Ints:
        nonlocal crc
        section = memoryview(next(sections))
        doubts, rest = mixtures.Doubts.read(section, places.size)
        coder = _coder(mixtures.decide(places, doubts), part.of(lossy), limits)
        residual = np.empty(len(places), np.int32)
        coder.decode(rest, residual)
        crc = _crc(residual, crc)
        return residual

    volume = walk(network, lossy, limits.top, exchange)
    if crc != coded.crc:
        raise CorruptStream(
            "corrupt stream: the residuals of a bcmnet part have another checksum: the bytes are "
            "damaged, or this machine computes the network otherwise than the one that wrote them"
        )
    return volume


def count_sections(shape: tuple[int, int, int]) -> int:
    """Number of sections in slices of this shape."""
    per_step = sum(row < shape[1] and column < shape[2] for row, column in SUB_IMAGES)
    return per_step * len(steps(*shape))


def _coder(integers: Ints, base: Ints, limits: Limits) -> Any:
    flat = base.reshape(-1)
    return mixtures.coder(integers, limits.low - flat, limits.high - flat)


def _crc(residual: Ints, crc: int) -> int:
    return zlib.crc32(residual.astype("<i4").tobytes(), crc)
