"""Numbers fixed in a whole array, so that its chunks, each coded alone, keep its tissue."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from medroi import arrays, roi
from medroi.errors import InvalidArgument


def fit_region(
    array: arrays.Array, chunks: Sequence[int] | None, asked: roi.RegionOptions
) -> tuple[roi.RegionOptions, str]:
    """Options with a number for the background and for the threshold, and a note.

    The threshold is that of the whole array, lowered (dark tissue: raised) until no more than half
    of `max_miss_rate` of the array's tissue outline is lost when each chunk is coded alone
    (src/kernel/engine/fit.c). Where no threshold keeps enough, there is none: every voxel that
    differs from the background is kept. The same holds where "auto" finds no air; the note says
    why.

    Parameters
    ----------
    array : ndarray
        C or F contiguous; completely written.
    chunks : sequence of int or None
        Chunk shape; edge chunks arrive filled up with the background. None is the whole array.
    asked : RegionOptions
        What is asked for.

    Raises
    ------
    InvalidArgument
        Where the chunk shape does not suit the array, or its dtype cannot hold the background.
    """
    shape = _chunk_shape(array, chunks)
    threshold, bits, note = roi.config_of(asked).fit(
        arrays.layout_of(array), arrays.memory_of(array), shape
    )
    fixed = dataclasses.replace(
        asked,
        background=arrays.value_of(bits, array.dtype),
        threshold=None if math.isnan(threshold) else threshold,
    )
    return fixed, note


def _chunk_shape(array: arrays.Array, chunks: Sequence[int] | None) -> tuple[int, ...]:
    shape = array.shape if chunks is None else tuple(int(size) for size in chunks)
    if len(shape) != array.ndim or any(size < 1 for size in shape if array.size):
        raise InvalidArgument(f"chunks={shape} of an array of shape {array.shape}")
    return shape
