"""Integer tables of probabilities: FORMAT.md section "Symbols"."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import CorruptStream, MedROIError

WHOLE = 1 << 16
N_SCALES = 64
SMALLEST_SCALE, LARGEST_SCALE = 0.11, 256.0
# Half width of a Gaussian row in deviations: leaves 1e-9 to the escape.
_REACH = 6.109410204869
# Of the rows that every build must make; a mathematics library that strays is found out.
_GAUSSIAN_CRC = 0x9087A155
_DENSITY_LAYERS = 5

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """Rows of cumulative shares.

    Attributes
    ----------
    cdf : ndarray of uint32, shape (rows, width)
    lengths : ndarray of int32, shape (rows,)
        Entries used of each row.
    offsets : ndarray of int32, shape (rows,)
        The first symbol of each row.
    """

    cdf: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int32]

    @property
    def crc(self) -> int:
        """CRC-32 of all rows, as little-endian integers."""
        crc = zlib.crc32(self.cdf.astype("<u4").tobytes())
        crc = zlib.crc32(self.lengths.astype("<i4").tobytes(), crc)
        return zlib.crc32(self.offsets.astype("<i4").tobytes(), crc)

    def encode(self, symbols: npt.NDArray[np.int32], rows: npt.NDArray[np.integer]) -> bytes:
        """Code symbols, each under its row; both of one shape."""
        coder = _kernel.SymbolTables(self.cdf, self.lengths, self.offsets)
        flat = np.ascontiguousarray(symbols.reshape(-1), np.int32)
        coded: bytes = coder.encode(flat, np.ascontiguousarray(rows.reshape(-1), np.uint16))
        return coded

    def decode(
        self, coded: bytes | memoryview, rows: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.int32]:
        """Decode as many symbols as there are rows.

        Raises
        ------
        CorruptStream
            For bytes that do not hold exactly these symbols.
        """
        coder = _kernel.SymbolTables(self.cdf, self.lengths, self.offsets)
        symbols = np.empty(rows.size, np.int32)
        flat = np.ascontiguousarray(rows.reshape(-1), np.uint16)
        coder.decode(np.frombuffer(coded, np.uint8), flat, symbols)
        return symbols.reshape(rows.shape)

    def reader(self, coded: bytes | memoryview) -> SymbolReader:
        """A decoder for symbols whose rows follow from symbols before them.

        Raises
        ------
        CorruptStream
        """
        return SymbolReader(self, coded)

    def bits(self, symbols: npt.NDArray[np.int32], rows: npt.NDArray[np.integer]) -> float:
        """Cost of symbols by the tables, in bits; escapes without their values."""
        chosen = rows.reshape(-1).astype(np.int64)
        index = symbols.reshape(-1).astype(np.int64) - self.offsets[chosen]
        escape = self.lengths[chosen].astype(np.int64) - 2
        index = np.where((index < 0) | (index >= escape), escape, index)
        shares = self.cdf[chosen, index + 1] - self.cdf[chosen, index]
        return float(np.sum(16.0 - np.log2(shares.astype(np.float64))))


class SymbolReader:
    """Decodes symbols in several steps; between steps the caller finds the next rows."""

    def __init__(self, tables: Tables, coded: bytes | memoryview) -> None:
        coder = _kernel.SymbolTables(tables.cdf, tables.lengths, tables.offsets)
        self._reader = _kernel.SymbolReader(coder, np.frombuffer(coded, np.uint8))

    def take(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """The next symbols, as many as there are rows.

        Raises
        ------
        CorruptStream
        """
        symbols = np.empty(rows.size, np.int32)
        self._reader.take(np.ascontiguousarray(rows.reshape(-1), np.uint16), symbols)
        return symbols.reshape(rows.shape)

    def finish(self) -> None:
        """Refuse bytes behind the last symbol.

        Raises
        ------
        CorruptStream
        """
        self._reader.finish()


def row_from_cumulative(cumulative: Sequence[float] | Reals) -> npt.NDArray[np.uint32]:
    """One row of shares of 2^16 from probabilities.

    Entry i is i + floor(P(i) (2^16 - n) + 1/2), n the number of symbols with the escape, so that
    no symbol is without a share.

    Parameters
    ----------
    cumulative : sequence of float64, n long
        P(i): the probability of all symbols before symbol i; the escape is the last.
    """
    before = np.asarray(cumulative, np.float64)
    n = before.size
    places = np.maximum.accumulate(np.clip(before, 0.0, 1.0))
    row = np.arange(n) + np.floor(places * (WHOLE - n) + 0.5).astype(np.int64)
    row[0] = 0
    return np.append(row, WHOLE).astype(np.uint32)


def stack_rows(rows: Sequence[npt.NDArray[np.uint32]], offsets: Sequence[int]) -> Tables:
    """Tables of rows of any lengths."""
    lengths = np.array([row.size for row in rows], np.int32)
    cdf = np.zeros((len(rows), int(lengths.max())), np.uint32)
    for number, row in enumerate(rows):
        cdf[number, : row.size] = row
    return Tables(cdf, lengths, np.array(offsets, np.int32))


def scale_edges() -> Reals:
    """The 64 deviations of the Gaussian rows: exp of even steps from log 0.11 to log 256.

    Rounded to single precision, as the published checkpoints hold them.
    """
    logs = [
        math.log(SMALLEST_SCALE)
        + number * (math.log(LARGEST_SCALE) - math.log(SMALLEST_SCALE)) / (N_SCALES - 1)
        for number in range(N_SCALES)
    ]
    return np.array([math.exp(value) for value in logs]).astype(np.float32).astype(np.float64)


def _normal_below(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


@functools.cache
def gaussian_tables() -> Tables:
    """Rows for integers around the mean of a Gaussian, one per deviation of `scale_edges`.

    Raises
    ------
    MedROIError
        Where this machine's mathematics library gives other integers than every other.
    """
    return tables_around_mean(_normal_below, _REACH, _GAUSSIAN_CRC)


def tables_around_mean(below: Callable[[float], float], reach: float, crc: int) -> Tables:
    """Rows for integers around the mean of a distribution, one per scale of `scale_edges`.

    Parameters
    ----------
    below : callable
        Cumulative probability of the distribution with mean 0 and scale 1.
    reach : float
        Half width of a row in scales; what lies outside is escapes.
    crc : int
        CRC-32 that the tables have on every machine.

    Raises
    ------
    MedROIError
        Where this machine's mathematics library gives other integers than every other.
    """
    rows, offsets = [], []
    for scale in scale_edges():
        half = math.ceil(scale * reach)
        start = below((-half - 0.5) / scale)
        before = [below((k - 0.5) / scale) - start for k in range(-half, half + 2)]
        rows.append(row_from_cumulative(before))
        offsets.append(-half)
    tables = stack_rows(rows, offsets)
    if tables.crc != crc:
        raise MedROIError(
            f"this machine's mathematics library gives tables of CRC {tables.crc:08x}, expected "
            f"{crc:08x}: its streams could not be read elsewhere; please report it"
        )
    return tables


def bottleneck_logits(
    tensors: Mapping[str, npt.NDArray[np.float32]], prefix: str, x: Reals
) -> Reals:
    """Logits of the cumulative probability of the factorized prior (Balle et al. 2018, 6.1).

    Parameters
    ----------
    tensors : mapping of str to ndarray
        With `{prefix}matrices.i`, `biases.i` and `factors.i`.
    x : ndarray of float64, shape (channels, points)
    """
    values = x[:, np.newaxis, :]
    for layer in range(_DENSITY_LAYERS):
        matrix = tensors[f"{prefix}matrices.{layer}"].astype(np.float64)
        bias = tensors[f"{prefix}biases.{layer}"].astype(np.float64)
        values = np.einsum("cij,cjp->cip", np.logaddexp(0.0, matrix), values) + bias
        if layer < _DENSITY_LAYERS - 1:
            factor = tensors[f"{prefix}factors.{layer}"].astype(np.float64)
            values = values + np.tanh(factor) * np.tanh(values)
    result: Reals = values[:, 0, :]
    return result


def sigmoid(x: Reals) -> Reals:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    result: Reals = np.where(x >= 0, 1.0, small) / (1.0 + small)
    return result


def bottleneck_tables(
    tensors: Mapping[str, npt.NDArray[np.float32]], prefix: str = "entropy_bottleneck."
) -> Tables:
    """One row per channel of the factorized prior, for symbols round(z - median)."""
    quantiles = tensors[f"{prefix}quantiles"].astype(np.float64)[:, 0, :]
    medians = quantiles[:, 1]
    below = np.maximum(np.ceil(medians - quantiles[:, 0]), 0).astype(np.int64)
    above = np.maximum(np.ceil(quantiles[:, 2] - medians), 0).astype(np.int64)
    if np.any(below + above > WHOLE // 4):
        raise CorruptStream("the factorized prior of these weights is wider than 16384 symbols")
    width = int((below + above).max()) + 2
    points = medians[:, np.newaxis] - below[:, np.newaxis] + np.arange(width) - 0.5
    reached = sigmoid(bottleneck_logits(tensors, prefix, points))
    rows = [
        row_from_cumulative(reached[c, : below[c] + above[c] + 2] - reached[c, 0])
        for c in range(medians.size)
    ]
    return stack_rows(rows, [-int(value) for value in below])
