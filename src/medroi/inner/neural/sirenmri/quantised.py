"""Weights as integers: a step per tensor, entropy-coded under tables of its own histogram."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream
from medroi.inner.neural import tables
from medroi.inner.neural.sirenmri.architecture import Architecture, Tensors

Symbols = npt.NDArray[np.int32]

# What counts per bit: a step is this many deviations of the tensor, over 2^bits.
_REACH = 8.0
# More bits for the few weights outside the square matrices, which cost next to nothing.
_MORE_BITS = 3
_HEAD = struct.Struct("<fiHH")
_MAX_BINS = 32
_WEIGHTS_PER_BIN = 64
_MAX_SYMBOLS = 1 << 14


@dataclass(frozen=True)
class Quantised:
    """Weights on their grids.

    Attributes
    ----------
    symbols : mapping of str to ndarray of int32
    steps : mapping of str to float
        A weight is its symbol times its tensor's step; float32 numbers.
    """

    symbols: Mapping[str, Symbols]
    steps: Mapping[str, float]

    def tensors(self) -> dict[str, npt.NDArray[np.float64]]:
        """The weights that decoding uses."""
        return {
            name: values.astype(np.float64) * self.steps[name]
            for name, values in self.symbols.items()
        }


def bits_of(name: str, architecture: Architecture, bits: int) -> int:
    """Bits for a tensor's weights, where square matrices have `bits`."""
    shape = architecture.manifest()[name]
    return bits if shape == (architecture.hidden, architecture.hidden) else bits + _MORE_BITS


def steps_of(tensors: Tensors, architecture: Architecture, bits: int) -> dict[str, float]:
    """The step of each tensor's grid: 8 root mean squares over 2^bits."""
    steps = {}
    for name, values in tensors.items():
        rms = math.sqrt(float(np.mean(np.square(values, dtype=np.float64))))
        step = float(np.float32(_REACH * rms / 2 ** bits_of(name, architecture, bits)))
        steps[name] = step if step > 0 else 1.0
    return steps


def quantise(tensors: Tensors, steps: Mapping[str, float]) -> Quantised:
    """Weights rounded to their grids."""
    symbols = {
        name: np.rint(values.astype(np.float64) / steps[name]).astype(np.int32)
        for name, values in tensors.items()
    }
    return Quantised(symbols, dict(steps))


@dataclass(frozen=True)
class Histogram:
    """Shares of 2^16 of a tensor's symbols: the same for all symbols of one bin.

    Attributes
    ----------
    first : int
        Lowest symbol with a share.
    width : int
        Symbols per bin.
    shares : ndarray of uint16
        Of each symbol of a bin; what is left of 2^16 is the escape's.
    """

    first: int
    width: int
    shares: npt.NDArray[np.uint16]

    def row(self) -> npt.NDArray[np.uint32]:
        """Cumulative shares."""
        each = np.repeat(self.shares.astype(np.int64), self.width)
        return np.concatenate([[0], np.cumsum(each), [tables.WHOLE]]).astype(np.uint32)


def histogram_of(symbols: Symbols) -> Histogram:
    """The bins and shares under which these symbols are short."""
    half = min(int(np.abs(symbols).max()), _MAX_SYMBOLS // 2 - _MAX_BINS)
    n_bins = max(1, min(_MAX_BINS, symbols.size // _WEIGHTS_PER_BIN, 2 * half + 1))
    width = -(-(2 * half + 1) // n_bins)
    first = -(n_bins * width // 2)
    index = (symbols.astype(np.int64).reshape(-1) - first) // width
    inside = (index >= 0) & (index < n_bins)
    counts = np.bincount(index[inside], minlength=n_bins) + 0.5
    # One for the escape, however rare; as many for it as there are symbols outside.
    spare = 1 + int(tables.WHOLE // 2 * np.count_nonzero(~inside) / symbols.size)
    room = tables.WHOLE - spare - n_bins * width
    shares = 1 + np.floor(counts / counts.sum() * room / width).astype(np.int64)
    left = tables.WHOLE - spare - int(shares.sum()) * width
    shares[np.argsort(-counts, kind="stable")[: left // width]] += 1
    return Histogram(first, width, shares.astype(np.uint16))


def pack(quantised: Quantised) -> tuple[bytes, bytes]:
    """Two sections: the grids and histograms of all tensors, and their symbols."""
    heads, rows, firsts = [], [], []
    for name, symbols in quantised.symbols.items():
        found = histogram_of(symbols)
        heads.append(
            _HEAD.pack(quantised.steps[name], found.first, found.width, found.shares.size)
            + found.shares.astype("<u2").tobytes()
        )
        rows.append(found.row())
        firsts.append(found.first)
    flat = [symbols.reshape(-1) for symbols in quantised.symbols.values()]
    coded = tables.stack_rows(rows, firsts).encode(
        np.concatenate(flat), _row_numbers([values.size for values in flat])
    )
    return b"".join(heads), coded


def unpack(heads: memoryview, coded: memoryview, architecture: Architecture) -> Quantised:
    """Weights from the two sections.

    Raises
    ------
    CorruptStream
    """
    manifest = architecture.manifest()
    steps, rows, firsts = {}, [], []
    for name in manifest:
        steps[name], found, heads = _take_head(heads)
        rows.append(found.row())
        firsts.append(found.first)
    if len(heads):
        raise CorruptStream(f"corrupt stream: {len(heads)} bytes behind the tables of weights")
    sizes = [math.prod(shape) for shape in manifest.values()]
    flat = tables.stack_rows(rows, firsts).decode(coded, _row_numbers(sizes))
    pieces = np.split(flat, np.cumsum(sizes)[:-1])
    symbols = {
        name: piece.reshape(shape)
        for (name, shape), piece in zip(manifest.items(), pieces, strict=True)
    }
    return Quantised(symbols, steps)


def _row_numbers(sizes: list[int]) -> npt.NDArray[np.uint16]:
    return np.repeat(np.arange(len(sizes), dtype=np.uint16), sizes)


def _take_head(heads: memoryview) -> tuple[float, Histogram, memoryview]:
    if len(heads) < _HEAD.size:
        raise CorruptStream("corrupt stream: the tables of weights are cut off")
    step, first, width, n_bins = _HEAD.unpack_from(heads)
    stop = _HEAD.size + 2 * n_bins
    if stop > len(heads):
        raise CorruptStream("corrupt stream: the tables of weights are cut off")
    shares = np.frombuffer(heads[_HEAD.size : stop], "<u2")
    whole = int(shares.sum(dtype=np.int64)) * width
    sound = 1 <= n_bins <= _MAX_BINS and 1 <= width <= _MAX_SYMBOLS // n_bins
    if not (sound and shares.all() and whole < tables.WHOLE and abs(first) <= _MAX_SYMBOLS):
        raise CorruptStream("corrupt stream: a table of weights has impossible shares")
    if not (math.isfinite(step) and step > 0):
        raise CorruptStream(f"corrupt stream: a step of {step} between weights")
    return step, Histogram(first, width, shares.astype(np.uint16)), heads[stop:]
