"""Voxels of a chunk inside the region of its stream."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi import arrays
from medroi import stream as streams
from medroi.roi import Box, DroppedSignal
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scan_region import ScanRegion
from medroi.values import plain


def same_bits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Compare bit patterns, so that NaN equals itself and -0.0 differs from 0.0."""
    if a.dtype.kind != "f":
        return np.asarray(a == b)
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return np.asarray(a.view(bits) == b.view(bits))


def inspected(array: Any, stream: bytes) -> medroi.StreamInfo:
    """Inspect a stream of a store as `medroi.inspect` does, for the axes of the scan."""
    info = medroi.inspect(stream)
    return _turned(info) if getattr(array, "axes_reversed", False) else info


def _turned(info: medroi.StreamInfo) -> medroi.StreamInfo:
    last, group = len(info.shape) - 1, info.largest_dropped_group
    return dataclasses.replace(
        info,
        shape=info.shape[::-1],
        order="C" if info.order == "F" else "F",
        axes=tuple(sorted(last - axis for axis in info.axes)),
        box=info.box[::-1],
        left_out=tuple(dataclasses.replace(one, box=one.box[::-1]) for one in info.left_out),
        largest_dropped_group=None
        if group is None
        else dataclasses.replace(group, box=group.box[::-1]),
    )


def kept_mask(stream: bytes, info: medroi.StreamInfo) -> npt.NDArray[np.bool_]:
    """Mark the voxels that a stream keeps, in an array of the chunk's shape and Fortran order.

    Parameters
    ----------
    stream : bytes
        One whole stream.
    info : StreamInfo
        What `medroi.inspect` or `inspected` says about it, whose axes the mask has.
    """
    kept = np.zeros(info.shape, dtype=bool, order="F")
    inside = tuple(slice(start, stop) for start, stop in info.box)
    if info.roi == "box":
        kept[inside] = True
    elif kept[inside].size:
        header = streams.read_header(np.frombuffer(stream, np.uint8))
        marked = _inside_mask(header)
        is_turned = ("F" if header.f_order else "C") != info.order
        kept[inside] = marked.T if is_turned else marked
    return kept


def clipped(box: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Cut a chunk's box to the part of the chunk that lies in the array."""
    return tuple(
        slice(min(start, size), min(stop, size))
        for (start, stop), size in zip(box, shape, strict=True)
    )


def n_kept_of(stream: bytes, info: medroi.StreamInfo, shape: tuple[int, ...]) -> int:
    """Count the voxels that a stream keeps of the part of its chunk that lies in the array.

    Parameters
    ----------
    stream, info
        As in `kept_mask`.
    shape : tuple of int
        Of that part.
    """
    if info.roi == "mask":
        return int(kept_mask(stream, info)[tuple(slice(size) for size in shape)].sum())
    return math.prod(part.stop - part.start for part in clipped(info.box, shape))


def kept_of(
    stream: bytes,
    info: medroi.StreamInfo,
    crops: ScanRegion | None,
    selection: tuple[slice, ...],
) -> npt.NDArray[np.bool_]:
    """Mark what is kept of the part of a chunk that lies in the array.

    Parameters
    ----------
    stream, info
        As in `kept_mask`.
    crops : ScanRegion or None
        The region of which the chunks are crops; None where each stream has its own.
    selection : tuple of slice
        Where in the array that part lies.
    """
    shape = tuple(part.stop - part.start for part in selection)
    if crops is None:
        return kept_mask(stream, info)[tuple(slice(size) for size in shape)]
    marked = crops.kept([(part.start, part.stop) for part in selection])
    return np.broadcast_to(marked, shape)


def kept_in_store(
    array: Any, stream: bytes, decoded: npt.NDArray[Any], selection: tuple[slice, ...]
) -> npt.NDArray[np.bool_]:
    """Mark what a stored chunk keeps, as far as that is known without its scan.

    Where chunks are crops of a mask, what was dropped inside the box of a stream is background, and
    so may be voxels that were kept: neither is marked.

    Parameters
    ----------
    array : Zarr array or Hdf5Array
        The store.
    stream : bytes
        Of the chunk.
    decoded : ndarray
        What the array has of it.
    selection : tuple of slice
        Where in the array that lies.
    """
    info = inspected(array, stream)
    kept = kept_of(stream, info, box_in_store(array), selection)
    facts = array.attrs.get(REGION)
    if facts is None or facts["roi"] == "box":
        return kept
    return kept & ~same_bits(decoded, np.asarray(info.background, decoded.dtype))


def region_in_store(array: Any) -> ScanRegion | None:
    """The region of which a store's chunks are crops, as far as the store says: not its mask."""
    facts = array.attrs.get(REGION)
    if facts is None:
        return None
    background = plain(facts["background"])
    return ScanRegion(
        shape=tuple(array.shape),
        axes=tuple(facts["axes"]),
        roi=facts["roi"],
        box=_box_of(facts["box"]),
        mask=None,
        background=background,
        background_bits=arrays.bits_of(background, array.dtype),
        threshold=plain(facts["threshold"]),
        n_tissue=facts["n_tissue"],
        n_missed=facts["n_missed"],
        dropped=DroppedSignal.of_facts(facts),
        is_given=facts["is_given"],
        n_left_out=facts["n_left_out"],
        n_left_out_voxels=facts["n_left_out_voxels"],
        left_out=tuple((one["n_voxels"], _box_of(one["box"])) for one in facts["left_out"]),
    )


def box_in_store(array: Any) -> ScanRegion | None:
    """The region of which a store's chunks are crops, where it is a box; else None."""
    region = region_in_store(array)
    return region if region is not None and region.roi == "box" else None


def _box_of(bounds: Any) -> Box:
    return tuple((start, stop) for start, stop in bounds)


def _inside_mask(header: Any) -> npt.NDArray[np.bool_]:
    """Let the mask write its background into a block that holds another value everywhere."""
    order = header.coding_order
    shape = tuple(header.box[axis][1] - header.box[axis][0] for axis in order)
    bits = np.dtype(f"u{header.itemsize}")
    block = np.full(shape, ~bits.type(header.background), dtype=bits)
    untouched = block.flat[0]
    header.apply_mask(header.box, block.reshape(-1).view(np.uint8))
    return np.asarray((block == untouched).transpose(np.argsort(order)))
