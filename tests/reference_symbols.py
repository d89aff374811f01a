"""Symbols decoded slowly, from FORMAT.md section 12.1 alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from reference_coder import Decoder, number_model


def decode_symbols(
    coded: bytes, cdf: np.ndarray, lengths: np.ndarray, offsets: np.ndarray, rows: Sequence[int]
) -> list[int]:
    """As many symbols as there are rows."""
    decoder, escape, symbols = Decoder(coded), number_model(), []
    for row in rows:
        starts = [int(entry) for entry in cdf[row][: lengths[row]]]
        n, first = len(starts) - 2, int(offsets[row])
        index = decoder.share(starts)
        if index < n:
            symbols.append(first + index)
            continue
        number = decoder.number(escape)
        distance = number >> 1
        symbols.append(first - 1 - distance if number & 1 else first + n + distance)
    decoder.finish()
    return symbols
