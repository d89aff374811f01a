"""Integers under mixtures of logistics, slowly, from FORMAT.md alone."""

from __future__ import annotations

import decimal
import itertools
from collections.abc import Sequence
from fractions import Fraction

from reference_coder import Decoder

with decimal.localcontext(prec=50):
    POWERS = [
        int(decimal.Decimal(2) ** (30 - decimal.Decimal(j) / 8) + decimal.Decimal("0.5"))
        for j in range(8)
    ]
    SIGMOID = [
        int(2**24 / (1 + (decimal.Decimal(-i) / 32).exp()) + decimal.Decimal("0.5"))
        for i in range(513)
    ]


def weight_of(index: int) -> int:
    """In units of 2^-16."""
    return POWERS[index % 8] // 2 ** (14 + index // 8)


def sigmoid(difference: int, scale: int) -> int:
    """2^24 times the logistic function of a difference in units of 1/64."""
    steepness = POWERS[scale % 8] // 2 ** (scale // 8)
    argument = abs(difference) * steepness // 2**18
    entry, rest = divmod(argument, 256)
    value = SIGMOID[512]
    if entry < 512:
        value = SIGMOID[entry] + (SIGMOID[entry + 1] - SIGMOID[entry]) * rest // 256
    return value if difference >= 0 else 2**24 - value


Component = tuple[int, int, int]


def start(components: Sequence[Component], low: int, high: int, index: int) -> int:
    """Where level `index` of low..high starts, in units of 2^-24."""
    levels = high - low + 1
    if index in (0, levels):
        return 2**24 * (index == levels)
    edge = Fraction(64 * (low + index)) - 32
    total = sum(weight_of(weight) for weight, _, _ in components)
    below = sum(weight_of(w) * sigmoid(int(edge - mean), scale) for w, mean, scale in components)
    return index + below // total * (2**24 - levels) // 2**24


def decode(
    coded: bytes, mixtures: Sequence[Sequence[Component]], limits: Sequence[tuple[int, int]]
) -> list[int]:
    """One symbol per mixture."""
    decoder = Decoder(len(coded).to_bytes(4, "little") + coded)
    symbols = []
    for components, (low, high) in zip(mixtures, limits, strict=True):
        starts = [start(components, low, high, i) for i in range(high - low + 2)]
        assert all(a < b for a, b in itertools.pairwise(starts))
        symbols.append(low + decoder.share(starts, 24))
    decoder.finish()
    return symbols
