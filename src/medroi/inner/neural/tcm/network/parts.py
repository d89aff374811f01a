"""Parts of TCM: slices to sections and back, batch by batch.

Sections: the record of places near an edge, then the hyper symbols and the symbols of each slice
in turn (FORMAT.md).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from medroi.errors import CorruptStream
from medroi.inner import slices
from medroi.inner.base import Array
from medroi.inner.neural import images, near
from medroi.inner.neural.tables import gaussian_tables
from medroi.inner.neural.tcm.network import symbols
from medroi.inner.neural.tcm.network.loading import Networks
from medroi.inner.neural.tcm.network.symbols import SliceSymbols

# Pixels that go through the network at once: 4 slices of 256 x 256.
_BATCH_PIXELS = 1 << 18
_MIN_SIDE = 256
# Floating-point intensities decode to multiples of span / this, so that the last bits of the
# network's output do not show.
_FLOAT_LEVELS = 1 << 16


@dataclass(frozen=True)
class Coded:
    """Content of a slab, before it is packed.

    Attributes
    ----------
    sections : tuple of bytes-like
    symbols_crc : int
    """

    sections: tuple[bytes | memoryview, ...]
    symbols_crc: int


def frame_of(shape: tuple[int, ...], multiple: int) -> images.Frame:
    """The frame around the slices of a part of this shape."""
    return images.centred_frame(slices.slice_shape(shape), multiple, _MIN_SIDE)


def write(networks: Networks, block: Array, scale: images.Scale, multiple: int) -> Coded:
    """Code the slices of a block; with a span of 0, all of its values are the offset.

    Raises
    ------
    InvalidArgument
    """
    frame = frame_of(block.shape, multiple)
    values = images.to_slices(block, images.Scale(scale.offset, scale.span or 1.0))
    found: list[SliceSymbols] = []
    records: list[near.Near] = []
    for batch in _batches(len(values), frame):
        start = len(found) * symbols.n_latents(networks, _padded(frame))
        more, record = symbols.find_symbols(networks, images.pad(values[batch], frame))
        found += more
        records.append(near.Near(record.positions + start, record.places))
    together = near.Near(
        np.concatenate([record.positions for record in records]),
        np.concatenate([record.places for record in records]),
    )
    sections = (together.pack(), *_coded(networks, found))
    return Coded(sections, _crc_of(found))


def decodes(networks: Networks, coded: Coded, frame: images.Frame) -> bool:
    """Whether the symbols of a part come back."""
    try:
        found, _ = _read_symbols(networks, coded, frame)
    except CorruptStream:
        return False
    return _crc_of(found) == coded.symbols_crc


def read(networks: Networks, coded: Coded, multiple: int, scale: images.Scale, out: Array) -> None:
    """Decode the slices of a part into `out`.

    Raises
    ------
    CorruptStream
    """
    frame = frame_of(out.shape, multiple)
    n_slices = out.size // math.prod(slices.slice_shape(out.shape))
    if len(coded.sections) != 1 + 2 * n_slices:
        raise CorruptStream(
            f"corrupt stream: {len(coded.sections)} sections, expected {1 + 2 * n_slices}"
        )
    found, latents = _read_symbols(networks, coded, frame)
    if _crc_of(found) != coded.symbols_crc:
        raise CorruptStream(
            f"corrupt stream: symbols of CRC {_crc_of(found):08x}, expected "
            f"{coded.symbols_crc:08x}: this machine or its PyTorch computes other probabilities "
            "than the writer's"
        )
    drawn = np.concatenate([images.crop(symbols.draw(networks, each), frame) for each in latents])
    if out.dtype.kind == "f":
        drawn = np.rint(drawn * _FLOAT_LEVELS) / _FLOAT_LEVELS
    images.put_slices(drawn, scale, out)


def _coded(networks: Networks, found: Sequence[SliceSymbols]) -> Iterator[bytes]:
    for each in found:
        rows = symbols.rows_of_hyper(each.hyper.shape)
        yield networks.hyper_tables.encode(each.hyper, rows)
        yield gaussian_tables().encode(each.latents, each.rows)


def _read_symbols(
    networks: Networks, coded: Coded, frame: images.Frame
) -> tuple[list[SliceSymbols], list[Tensor]]:
    """Symbols of all slices, and their refined latents by batch."""
    record, rest = near.Near.unpack(memoryview(coded.sections[0]))
    each = [memoryview(section) for section in coded.sections[1:]]
    pairs = list(zip(each[::2], each[1::2], strict=True))
    n_each = symbols.n_latents(networks, _padded(frame))
    last = record.positions[-1] if record.positions.size else -1
    if len(rest) > 0 or last >= len(pairs) * n_each:
        raise CorruptStream("corrupt stream: near elements beyond the last latent")
    found: list[SliceSymbols] = []
    latents: list[Tensor] = []
    for batch in _batches(len(pairs), frame):
        within = record.within(len(found) * n_each, len(pairs[batch]) * n_each)
        more, refined = symbols.read_latents(networks, pairs[batch], _padded(frame), within)
        found += more
        latents.append(refined)
    return found, latents


def _crc_of(found: Sequence[SliceSymbols]) -> int:
    """CRC-32 of symbols as little-endian int32 in coding order."""
    crc = 0
    for each in found:
        crc = zlib.crc32(each.hyper.astype("<i4").tobytes(), crc)
        crc = zlib.crc32(each.latents.astype("<i4").tobytes(), crc)
    return crc


def _batches(n_slices: int, frame: images.Frame) -> Iterator[slice]:
    size = max(1, _BATCH_PIXELS // math.prod(_padded(frame)))
    return (slice(start, start + size) for start in range(0, n_slices, size))


def _padded(frame: images.Frame) -> tuple[int, int]:
    return frame.padded_height, frame.padded_width
