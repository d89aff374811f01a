"""Numbers fixed in a whole array, so that its chunks, each coded alone, keep its tissue."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from medroi import arrays, given_mask, roi, scan_region
from medroi.errors import InvalidArgument
from medroi.scan_region import ScanRegion
from medroi.working_memory import WorkingMemory


def fit_region(
    array: arrays.Array,
    chunks: Sequence[int] | None,
    asked: roi.RegionOptions,
    affine: roi.Affine | None = None,
    padding_values: roi.PaddingValues | None = None,
    memory: WorkingMemory | None = None,
) -> tuple[roi.RegionOptions, str, ScanRegion]:
    """Options with a number for the background and for the threshold, a note, and the region.

    The threshold is that of the whole array, lowered (dark tissue: raised) until no more than half
    of `max_miss_rate` of the array's foreground mask is lost when each chunk is coded alone
    (src/kernel/engine/fit.c). Where no threshold keeps enough, there is none: every voxel that
    differs from the background is kept. The same holds where "auto" finds no air; the note says
    why. The region is that of the whole array at its own threshold, for writers that crop it.

    Parameters
    ----------
    array : ndarray
        C or F contiguous; completely written.
    chunks : sequence of int or None
        Chunk shape; edge chunks arrive padded with the background. None is the whole array.
    asked : RegionOptions
        What is asked for.
    affine : tuple of float, optional
        Its upper-left 3x3, row major: how long voxels are.
    padding_values : tuple of float, optional
        Lowest and highest value that the scan declares to be padding.
    memory : WorkingMemory, optional
        For the search; None is the heap.

    Raises
    ------
    InvalidArgument
        Where the chunk shape does not suit the array, or its dtype cannot hold the background.
    """
    shape = _chunk_shape(array, chunks)
    whole, note, threshold = _fixed(array, array.shape, asked, affine, padding_values, memory)
    scan = scan_region.find(array, whole, affine, padding_values, memory)
    scan = dataclasses.replace(scan, threshold_found=threshold)
    if shape == array.shape:
        return whole, note, scan
    for_chunks, note, _ = _fixed(array, shape, asked, affine, padding_values, memory)
    return for_chunks, note, scan


def fit_mask(
    array: arrays.Array,
    mask: Any,
    margin_mm: float,
    spacing_mm: Sequence[float] | None,
    asked: roi.RegionOptions,
    padding_values: roi.PaddingValues | None = None,
) -> tuple[roi.RegionOptions, ScanRegion]:
    """Options for a scan of which a mask was given, and its region.

    The codec itself keeps every voxel that differs from the background: what is dropped is decided
    by the mask, and set to background by the writer. The threshold that was asked for says which of
    the voxels outside are counted.

    Parameters
    ----------
    array : ndarray
        C or F contiguous; completely written.
    mask : array_like
        On the grid of the array's volume; what is not 0 is kept.
    margin_mm : float
        By which it is grown.
    spacing_mm : sequence of float or None
        Distance between voxel centres along each axis of the volume.
    asked : RegionOptions
        What is asked for.
    padding_values : tuple of float, optional
        Lowest and highest value that the scan declares to be padding.

    Raises
    ------
    InvalidArgument
        For a mask on another grid, an empty one, and a margin without a spacing.
    """
    if not array.size or array.dtype.kind not in arrays.NUMBER_KINDS + "b":
        raise InvalidArgument(
            f"mask: an array of shape {array.shape} and dtype {array.dtype} has no region; "
            "expected numbers"
        )
    volume = [array.shape[axis] for axis in roi.volume_axes(array, asked)]
    flags = given_mask.checked(mask, volume)
    if margin_mm:
        if spacing_mm is None:
            raise InvalidArgument(
                f"mask_margin_mm={margin_mm} needs the distance between voxels: pass "
                "spacing_mm=(...) or affine="
            )
        flags = given_mask.grown(flags, margin_mm, spacing_mm)
    options = dataclasses.replace(asked, roi="mask")
    layout, memory = arrays.layout_of(array), arrays.memory_of(array)
    bits, known = roi.config_of(options, None, padding_values).background(layout, memory)
    levels = (math.nan, math.nan)
    if known and asked.threshold is not None and array.ndim > 1:
        found = roi.search(array, options, bits, complete=True, padding_values=padding_values)
        level = found.dropped.level
        levels = (found.threshold, found.threshold if math.isnan(level) else level)
    scan = scan_region.of_mask(array, flags, options, levels, bits)
    return dataclasses.replace(options, threshold=None, background=scan.background), scan


def _fixed(
    array: arrays.Array,
    shape: tuple[int, ...],
    asked: roi.RegionOptions,
    affine: roi.Affine | None,
    padding_values: roi.PaddingValues | None,
    memory: WorkingMemory | None,
) -> tuple[roi.RegionOptions, str, float | None]:
    """Options with numbers, a note, and the threshold of the whole array before it was lowered."""
    threshold, of_whole, bits, note = roi.config_of(asked, affine, padding_values).fit(
        arrays.layout_of(array), arrays.memory_of(array), shape, memory
    )
    fixed = dataclasses.replace(
        asked,
        background=arrays.value_of(bits, array.dtype),
        threshold=None if math.isnan(threshold) else threshold,
    )
    return fixed, note, None if math.isnan(of_whole) else of_whole


def _chunk_shape(array: arrays.Array, chunks: Sequence[int] | None) -> tuple[int, ...]:
    shape = array.shape if chunks is None else tuple(int(size) for size in chunks)
    if len(shape) != array.ndim or any(size < 1 for size in shape if array.size):
        raise InvalidArgument(f"chunks={shape} of an array of shape {array.shape}")
    return shape
