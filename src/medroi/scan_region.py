"""The region of a whole scan, of which every chunk gets its crop."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medroi import arrays, roi
from medroi.errors import InvalidArgument
from medroi.roi import Box, DroppedSignal, Mask, PaddingValues
from medroi.values import json_number
from medroi.working_memory import WorkingMemory

Bounds = Sequence[tuple[int, int]]

# Attribute of an array or a dataset, in which its writer says what it dropped: `ScanRegion.facts`.
ATTRIBUTE = "medroi_region"


@dataclass(frozen=True, eq=False)
class ScanRegion:
    """Voxels of a whole scan that are kept, found or given once.

    Writers set everything else to the background before a chunk is coded, so that the same voxels
    are dropped whatever the chunks are.

    Attributes
    ----------
    shape : tuple of int
        Of the scan.
    axes : tuple of int
        Array axes of the volume. All others share one region.
    roi : {"box", "mask"}
        Shape of the region.
    box : tuple of (int, int)
        Half-open bounds per array axis; all (0, 0) where nothing is kept.
    mask : ndarray of bool or None
        What is kept inside the box, in tiles; axes outside the volume have length 1. None: all of
        the box.
    mask_edge : int
        Edge of these tiles, in voxels: 1, or 2, from the start of the box on.
    background : int or float
        Value of every voxel outside the region, in stored units.
    background_bits : int
        The same as the bits of an element.
    threshold : float or None
        Tissue threshold of the whole scan, in stored units; None where none was used.
    threshold_found : float or None
        The same before it was lowered, so that what the tissue encloses is kept.
    n_tissue, n_missed : int
        Voxels at or above the threshold (dark: at or below), and those of them outside the region.
    dropped : DroppedSignal
        Signal outside the region.
    note : str
        Why every voxel is kept; empty where any is dropped.
    is_given : bool
        Whether the mask was given, not found.
    n_left_out, n_left_out_voxels : int
        Connected components of tissue that were left out of the region, and their voxels as the
        opening left them: fewer than there were.
    left_out : tuple of (int, box)
        The largest of them: voxels and bounds per array axis.
    padding_values : tuple of float or None
        Lowest and highest value that the scan was said to have as padding.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    roi: str
    box: Box
    mask: Mask | None
    background: int | float
    background_bits: int
    threshold: float | None
    n_tissue: int
    n_missed: int
    dropped: DroppedSignal = field(default_factory=DroppedSignal)
    note: str = ""
    is_given: bool = False
    n_left_out: int = 0
    n_left_out_voxels: int = 0
    left_out: tuple[tuple[int, Box], ...] = ()
    padding_values: PaddingValues | None = None
    mask_edge: int = 1
    threshold_found: float | None = None

    @property
    def miss_rate(self) -> float:
        """Share of the voxels at the threshold that lie outside the region."""
        return self.n_missed / self.n_tissue if self.n_missed else 0.0

    @property
    def n_kept(self) -> int:
        """Voxels of the scan inside the region."""
        if self.mask is None:
            return math.prod(stop - start for start, stop in self.box)
        others = (n for axis, n in enumerate(self.shape) if axis not in self.axes)
        return self._n_marked(self.mask) * math.prod(others)

    def _n_marked(self, mask: Mask) -> int:
        """Count the voxels of the tiles that are marked, of which the last ones may be cut off."""
        if self.mask_edge == 1:
            return int(np.count_nonzero(mask))
        # A tile has 2 voxels along an axis, one less where it is the last of an odd number.
        cut = [axis for axis in self.axes if (self.box[axis][1] - self.box[axis][0]) % 2]
        total = 0
        for n_last in range(len(cut) + 1):
            for last in itertools.combinations(cut, n_last):
                found = mask[tuple(slice(-1 if i in last else 0, None) for i in range(mask.ndim))]
                share = 2 ** (len(self.axes) - n_last) * int(np.count_nonzero(found))
                total += -share if n_last % 2 else share
        return total

    def has_tiles_in(self, chunk_shape: Sequence[int]) -> bool:
        """Whether the region is made of tiles of two voxels, also in every chunk of this shape."""
        if self.mask is None:
            return True
        for axis in self.axes:
            (start, stop), size, edge = self.box[axis], self.shape[axis], chunk_shape[axis]
            if start % 2 or (stop % 2 and stop != size) or (edge % 2 and edge < size):
                return False
            if self.mask_edge == 2:
                continue
            along = np.moveaxis(self.mask, axis, 0)
            n_pairs = len(along) // 2
            if (along[0 : 2 * n_pairs : 2] != along[1 : 2 * n_pairs : 2]).any():
                return False
        return True

    def transposed(self) -> ScanRegion:
        """Return the region of the scan with its axes in reverse order, as `ndarray.T` has them."""
        last = len(self.shape) - 1
        group = self.dropped.largest
        if group is not None:
            group = dataclasses.replace(group, box=group.box[::-1])
        return dataclasses.replace(
            self,
            shape=self.shape[::-1],
            axes=tuple(sorted(last - axis for axis in self.axes)),
            box=self.box[::-1],
            mask=None if self.mask is None else self.mask.T,
            dropped=dataclasses.replace(self.dropped, largest=group),
            left_out=tuple((n_voxels, box[::-1]) for n_voxels, box in self.left_out),
        )

    def kept(self, bounds: Bounds | None = None) -> Mask:
        """Mark the voxels of a part of the scan that are kept.

        Parameters
        ----------
        bounds : sequence of (int, int), optional
            Half-open bounds per array axis; None is the whole scan.

        Returns
        -------
        ndarray of bool
            Of the part's shape; axes outside the volume have length 1. Not to be written to: where
            the part lies inside the box it is a view of the mask.
        """
        wanted = [(0, n) for n in self.shape] if bounds is None else list(bounds)
        target, source, shape = [], [], []
        for axis, ((low, high), (start, stop)) in enumerate(zip(wanted, self.box, strict=True)):
            if axis not in self.axes:
                # Shared: kept wherever the volume is, unless nothing is kept at all.
                shape.append(1)
                target.append(slice(0, int(stop > start)))
                source.append(slice(0, 1))
                continue
            shape.append(high - low)
            first, last = max(low, start), max(min(high, stop), max(low, start))
            target.append(slice(first - low, last - low))
            source.append(slice(first - start, last - start))
        inside: Any = np.True_ if self.mask is None else self._marked(self.mask, source)
        if target == [slice(0, n) for n in shape]:
            return np.broadcast_to(inside, shape)
        # In the memory order of the scan, which the mask has too: it is compared with voxels.
        is_f_order = self.mask is not None and arrays.is_f_order(self.mask)
        marked = np.zeros(shape, bool, order="F" if is_f_order else "C")
        marked[tuple(target)] = inside
        return marked

    def _marked(self, mask: Mask, part: Sequence[slice]) -> Mask:
        """The mask of a part of the box, voxel by voxel."""
        edge = self.mask_edge
        if edge == 1:
            return mask[tuple(part)]
        found = mask[tuple(slice(one.start // edge, -(-one.stop // edge)) for one in part)]
        # Most parts lie inside or outside as a whole.
        if found.size and (found.all() or not found.any()):
            return np.broadcast_to(found.flat[0], [one.stop - one.start for one in part])
        for axis in self.axes:
            found = np.repeat(found, edge, axis)
        return found[
            tuple(slice(one.start % edge, one.start % edge + one.stop - one.start) for one in part)
        ]

    def cleared(self, values: arrays.Array, bounds: Bounds | None = None) -> arrays.Array:
        """Set what lies outside the region to the background.

        Parameters
        ----------
        values : ndarray
            A part of the scan, any byte order.
        bounds : sequence of (int, int), optional
            Where in the scan it lies, half-open per array axis; None is the whole scan.

        Returns
        -------
        ndarray
            `values` itself where nothing has to be set, else a copy in the same memory order.

        Raises
        ------
        InvalidArgument
            For values of another shape.
        """
        shape = self.shape if bounds is None else tuple(stop - start for start, stop in bounds)
        if values.shape != shape:
            raise InvalidArgument(
                f"found values of shape {values.shape}, expected {shape}: the region is that of "
                f"an array of shape {self.shape}"
            )
        kept = self.kept(bounds)
        if kept.all():
            return values
        cleared = np.empty_like(values)
        cleared[...] = arrays.constant((), values.dtype, self.background_bits)
        np.copyto(cleared, values, where=kept)
        return cleared

    def cleared_chunk(self, chunk: arrays.Array, start: Sequence[int]) -> arrays.Array:
        """Set what lies outside the region to the background in a chunk that begins at `start`.

        What reaches beyond the scan, where chunks are padded, stays. The chunk itself is returned
        where nothing has to be set, else a copy in the same memory order.
        """
        inside = tuple(
            slice(min(size, n - at))
            for at, size, n in zip(start, chunk.shape, self.shape, strict=True)
        )
        bounds = [(at, at + part.stop) for at, part in zip(start, inside, strict=True)]
        part = chunk[inside]
        cleared = self.cleared(part, bounds)
        if cleared is part:
            return chunk
        whole = np.array(chunk, order="K")
        whole[inside] = cleared
        return whole

    def check_fits(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        """Refuse to crop a region to the chunks of another scan.

        Raises
        ------
        InvalidArgument
            Where the shape differs, or the background is no element of the array.
        """
        if tuple(shape) != self.shape:
            raise InvalidArgument(
                f"the region is that of a scan of shape {self.shape}; the array has shape "
                f"{tuple(shape)}. Pass the region that was fitted on this scan"
            )
        if arrays.bits_of(self.background, dtype) != self.background_bits:
            raise InvalidArgument(
                f"the region's background {self.background} has other bits in the array's dtype "
                f"{dtype}: store the scan in the dtype in which it was fitted"
            )

    def facts(self) -> dict[str, Any]:
        """Numbers that say what was dropped, fit for JSON."""
        return {
            "roi": self.roi,
            "box": [list(bounds) for bounds in self.box],
            "axes": list(self.axes),
            "is_given": self.is_given,
            "background": json_number(self.background),
            "threshold": json_number(self.threshold),
            "n_voxels": math.prod(self.shape),
            "n_kept": self.n_kept,
            "n_tissue": self.n_tissue,
            "n_missed": self.n_missed,
            "miss_rate": self.miss_rate,
            **self.dropped.facts(),
            **self.left_out_facts(),
        }

    def left_out_facts(self) -> dict[str, Any]:
        """Numbers of the components that were left out, the largest of them placed."""
        return {
            "n_left_out": self.n_left_out,
            "n_left_out_voxels": self.n_left_out_voxels,
            "left_out": [
                {"n_voxels": n_voxels, "box": [list(bounds) for bounds in box]}
                for n_voxels, box in self.left_out
            ],
        }


def of_mask(
    array: arrays.Array,
    mask: Mask,
    asked: roi.RegionOptions,
    levels: tuple[float, float],
    bits: int,
) -> ScanRegion:
    """Take a mask that was given for the region of a scan.

    Parameters
    ----------
    array : ndarray
        C or F contiguous.
    mask : ndarray of bool
        Of the volume's shape; not empty.
    asked : RegionOptions
        Polarity and axes.
    levels : tuple of float
        Threshold and signal level, at which voxels are counted; NaN counts all that differ from the
        background.
    bits : int
        Of the background.
    """
    axes = roi.volume_axes(array, asked)
    shape = [n if axis in axes else 1 for axis, n in enumerate(array.shape)]
    # The volume's axes in the order of the array: those left out have length 1.
    marked = mask.reshape(shape)
    threshold, level = levels
    n_signal, n_dropped, outside = _count(array, marked, level, asked, bits)
    n_tissue, n_missed = n_signal, n_dropped
    if not np.array_equal(threshold, level, equal_nan=True):
        n_tissue, n_missed, _ = _count(array, marked, threshold, asked, bits)
    largest = roi.count_groups(array, outside, asked).largest if n_dropped else None
    dropped = DroppedSignal(level, n_signal, n_dropped, largest)
    box = tuple(
        _span(marked, axis) if axis in axes else (0, n) for axis, n in enumerate(array.shape)
    )
    return ScanRegion(
        shape=array.shape,
        axes=axes,
        roi="mask",
        box=box,
        mask=marked[tuple(slice(*b) if i in axes else slice(0, 1) for i, b in enumerate(box))],
        background=arrays.value_of(bits, array.dtype),
        background_bits=bits,
        threshold=None if math.isnan(threshold) else threshold,
        n_tissue=n_tissue,
        n_missed=n_missed,
        dropped=dropped,
        is_given=True,
    )


def _count(
    array: arrays.Array, marked: Mask, level: float, asked: roi.RegionOptions, bits: int
) -> tuple[int, int, Mask]:
    """Voxels at a level or beyond, those of them outside a mask, and where the latter are."""
    if math.isnan(level):
        found = roi.differs(array, bits)
    else:
        found = roi.reaches(array, level, asked.polarity)
    outside = found & ~marked
    return int(np.count_nonzero(found)), int(np.count_nonzero(outside)), outside


def _span(marked: Mask, axis: int) -> tuple[int, int]:
    others = tuple(i for i in range(marked.ndim) if i != axis)
    places = np.flatnonzero(marked.any(axis=others))
    return int(places[0]), int(places[-1]) + 1


def find(
    array: arrays.Array,
    fitted: roi.RegionOptions,
    affine: roi.Affine | None = None,
    padding_values: PaddingValues | None = None,
    memory: WorkingMemory | None = None,
) -> ScanRegion:
    """Find the region of a whole scan.

    Parameters
    ----------
    array : ndarray
        C or F contiguous; completely written.
    fitted : RegionOptions
        With a number, or none, for the threshold, and a number for the background.
    affine : tuple of float, optional
        Its upper-left 3x3, row major: how long voxels are.
    padding_values : tuple of float, optional
        Lowest and highest value that the scan declares to be padding.
    memory : WorkingMemory, optional
        For the search and the mask; None is the heap.
    """
    bits = roi.background_bits(array, fitted)
    found, tiles = roi.search_tiled(array, fitted, bits, affine, padding_values, memory)
    is_box = tiles is None or bool(tiles.all())
    return ScanRegion(
        shape=array.shape,
        axes=roi.volume_axes(array, fitted),
        roi="box" if is_box else "mask",
        box=found.box,
        mask=None if is_box else tiles,
        mask_edge=roi.TILE_EDGE,
        background=arrays.value_of(bits, array.dtype),
        background_bits=bits,
        threshold=None if math.isnan(found.threshold) else found.threshold,
        n_tissue=found.n_tissue,
        n_missed=found.n_missed,
        dropped=found.dropped,
        note=found.note,
        n_left_out=found.n_left_out,
        n_left_out_voxels=found.n_left_out_voxels,
        left_out=found.left_out,
        padding_values=padding_values,
    )
