"""Numbers fixed in a whole array, so that its chunks, each coded alone, keep its tissue."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from medroi import _kernel, arrays, roi, stream
from medroi.errors import InvalidArgument

Mask = npt.NDArray[np.bool_]

_N_BISECTIONS = 8


def fit_region(
    array: arrays.Array, chunks: Sequence[int] | None, asked: roi.RegionOptions
) -> tuple[roi.RegionOptions, str]:
    """Options with a number for the background and for the threshold, and a note.

    The threshold is that of the whole array, lowered (dark tissue: raised) until no more than half
    of `max_miss_rate` of the array's tissue outline is lost when each chunk is coded alone. The
    outline is all that the opened tissue above the air's noise, closed and filled, encloses, dark
    ventricles included; where a number is asked for, that number takes the noise's place. A voxel
    is lost if it differs from the background and comes back as background. Where no threshold
    keeps enough, there is none: every voxel that differs from the background is kept. The same
    holds where "auto" finds no air; the note says why.

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
    asked, background, note = roi.resolve(array, asked)
    fixed = dataclasses.replace(asked, background=arrays.value_of(background, array.dtype))
    if asked.threshold is None or array.dtype.kind not in arrays.NUMBER_KINDS or array.ndim < 2:
        return dataclasses.replace(fixed, threshold=None), note
    found = roi.search(array, fixed, background, complete=True)
    if math.isnan(found.threshold) or array.size == 0:
        return dataclasses.replace(fixed, threshold=None), found.note
    return _Trial(array, shape, fixed, background).lowered(found.threshold), ""


def _chunk_shape(array: arrays.Array, chunks: Sequence[int] | None) -> tuple[int, ...]:
    shape = array.shape if chunks is None else tuple(int(size) for size in chunks)
    if len(shape) != array.ndim or any(size < 1 for size in shape if array.size):
        raise InvalidArgument(f"chunks={shape} of an array of shape {array.shape}")
    return shape


class _Trial:
    """What thresholds lose of one array's outline under one chunking."""

    def __init__(
        self,
        array: arrays.Array,
        chunks: tuple[int, ...],
        options: roi.RegionOptions,
        background: int,
    ) -> None:
        self.array, self.chunks, self.options, self.background = array, chunks, options, background
        outline = roi.outline(array, options, background)
        differs = roi.differs(array, background)
        self.wanted: Mask = outline & differs
        # Where exactly an outline runs is a matter of definition: half is kept for that.
        self.n_allowed = math.floor(options.max_miss_rate / 2 * np.count_nonzero(self.wanted))

    def lowered(self, threshold: float) -> roi.RegionOptions:
        if self._holds(threshold):
            return self._with(threshold)
        dark = self.options.polarity == "dark"
        finite = self.array[np.isfinite(self.array)]
        if finite.size == 0:
            return self._with(None)
        good = float(finite.max() if dark else finite.min())
        if not self._holds(good):
            return self._with(None)
        bad = threshold
        for _ in range(_N_BISECTIONS):
            middle = good + (bad - good) / 2
            if self.array.dtype.kind != "f":
                middle = float(math.floor(middle) if dark else math.ceil(middle))
            if middle in (good, bad) or not math.isfinite(middle):
                break
            if self._holds(middle):
                good = middle
            else:
                bad = middle
        return self._with(good)

    def _with(self, threshold: float | None) -> roi.RegionOptions:
        return dataclasses.replace(self.options, threshold=threshold)

    def _holds(self, threshold: float) -> bool:
        options, n_lost = self._with(threshold), 0
        for place in self._places():
            n_lost += self._lost_in(place, options)
            if n_lost > self.n_allowed:
                return False
        return True

    def _places(self) -> Iterator[tuple[slice, ...]]:
        starts = [range(0, n, size) for n, size in zip(self.array.shape, self.chunks, strict=True)]
        for corner in product(*starts):
            yield tuple(slice(s, s + n) for s, n in zip(corner, self.chunks, strict=True))

    def _lost_in(self, place: tuple[slice, ...], options: roi.RegionOptions) -> int:
        wanted = self.wanted[place]
        n_wanted = int(np.count_nonzero(wanted))
        if n_wanted == 0:
            return 0
        chunk = self._filled_up(self.array[place], self.background)
        region = roi.search(chunk, options, self.background)
        kept = self._filled_up(wanted, 0).view(np.uint8)
        keep_region(kept, options.axes, region)
        return n_wanted - int(np.count_nonzero(kept))

    def _filled_up(self, part: arrays.Array, fill: int) -> arrays.Array:
        order: Literal["C", "F"] = "F" if arrays.is_f_order(self.array) else "C"
        whole: arrays.Array = np.empty(self.chunks, part.dtype, order=order)
        if part.shape != self.chunks:
            whole[...] = arrays.filled((1,), part.dtype, fill)[0]
        whole[tuple(slice(n) for n in part.shape)] = part
        return whole


def keep_region(
    mask: npt.NDArray[np.uint8], axes: Sequence[int] | None, region: roi.Region
) -> None:
    """Set a dense mask to 0 outside a region."""
    header = stream.make_header(
        mask,
        axes,
        box=region.box,
        background=0,
        threshold=math.nan,
        miss_rate=0.0,
        affine=stream.IDENTITY,
        inner_id=0,
        slice_axis=0,
        side=region.side,
        hull_map=region.hull_map,
    )
    memory = arrays.memory_of(mask)
    _kernel.fill_outside(header.layout, memory, region.box, 0)
    header.apply_hull_to_array(memory)
