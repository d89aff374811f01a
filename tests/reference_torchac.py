"""The arithmetic coder of BCM-Net's public files, slowly, from tests/parity/README.md alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_TOP, _HALF, _QUARTER = (1 << 32) - 1, 1 << 31, 1 << 30


def integer_tables(cdf: np.ndarray) -> np.ndarray:
    """Integer shares of float32 distribution functions [symbols, levels + 1]."""
    levels = cdf.shape[1] - 1
    product = cdf.astype(np.float32) * np.float32(65536 - levels)
    table = np.rint(product).astype(np.int64) + np.arange(levels + 1)
    table[:, -1] = 65536
    return table


class _Interval:
    """Low and high, and the bits that both already agree about."""

    def __init__(self) -> None:
        self.low, self.high = 0, _TOP

    def narrow(self, start: int, stop: int) -> None:
        span = self.high - self.low + 1
        self.high = self.low - 1 + (span * stop >> 16)
        self.low += span * start >> 16

    def double(self) -> str | None:
        """The next scaling: a bit, "pending", or None where there is none."""
        if self.high < _HALF or self.low >= _HALF:
            bit = "1" if self.low >= _HALF else "0"
            self.low, self.high = (self.low << 1) & _TOP, ((self.high << 1) & _TOP) | 1
            return bit
        if self.low >= _QUARTER and self.high < 3 * _QUARTER:
            self.low = (self.low << 1) & (_HALF - 1)
            self.high = ((self.high << 1) & _TOP) | _HALF | 1
            return "pending"
        return None


def encode(table: np.ndarray, indices: Sequence[int]) -> bytes:
    """One stream of one index per row of a table."""
    interval, bits, pending = _Interval(), [], 0

    def put(bit: str) -> None:
        nonlocal pending
        bits.append(bit + ("0" if bit == "1" else "1") * pending)
        pending = 0

    for row, index in zip(table, indices, strict=True):
        interval.narrow(int(row[index]), int(row[index + 1]))
        while (step := interval.double()) is not None:
            if step == "pending":
                pending += 1
            else:
                put(step)
    pending += 1
    put("0" if interval.low < _QUARTER else "1")
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def decode(table: np.ndarray, coded: bytes) -> list[int]:
    """One index per row of a table."""
    text = "".join(f"{byte:08b}" for byte in coded)
    interval, place, found = _Interval(), 32, []
    value = int(text[:32].ljust(32, "0"), 2)
    for row in table:
        span = interval.high - interval.low + 1
        count = ((value - interval.low + 1) * 65536 - 1) // span
        index = int(np.searchsorted(row, count, side="right")) - 1
        found.append(index)
        interval.narrow(int(row[index]), int(row[index + 1]))
        while (step := interval.double()) is not None:
            bit = int(text[place]) if place < len(text) else 0
            place += 1
            value = (value - _QUARTER if step == "pending" else value) << 1 & _TOP | bit
    return found
