"""The publication's own definitions, flaws included, for a reader who wants both numbers.

What differs from this project's definitions, and why the figures do:

- voxels become 8 bits by a minimum and maximum that are not stored: of every slice (2-D coders) or
  of the whole volume (the 3-D wavelet), of the full volume and of the box each on its own;
- the box is found in a clipped 8-bit copy, padded once, whatever tissue that leaves out, and its
  inclusive end is used as an exclusive one, so that the last voxel of each axis is lost;
- PSNR and SSIM are means over slices in 8 bits with the peak 255, PSNR of equal slices is 100;
  those of the full volume are over slices with their background, those of the box without it;
- the compression ratio's numerator is a byte per voxel of the full volume, or what `Published`
  says; its denominator is the coder's bytes alone, and 54 for a box (of HEIF, 54 a slice).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import metrics
from medroi.compare.measuring import empty_row, status_of
from medroi.compare.methods import PEER, Method, Published
from medroi.compare.published_coders import CODERS
from medroi.compare.results import ResultRow
from medroi.compare.signal import largest_group
from medroi.compare.subject import Subject
from medroi.errors import InvalidArgument
from medroi.scans.scan import require

Array = npt.NDArray[Any]
Box = tuple[slice, ...]

PROTOCOL = "published"
REGIONS = ("full", "box")
# Coders of volumes; the others are of slices.
WHOLE = (PEER, "sirenmri")
PADDING = 3
RECORD_NBYTES = 54
PSNR_CAP_DB = 100.0
_PEAK = 255.0


def measure(subject: Subject, method: Method, region: str) -> ResultRow:
    """The row of one region of a scan by the published definitions; errors are its status."""
    row = empty_row(subject, method, region, PROTOCOL)
    try:
        assert method.published is not None
        return _measure(row, subject, method, method.published)
    except Exception as error:  # of any library; the row says which
        return dataclasses.replace(row, status=status_of(error))


def _measure(row: ResultRow, subject: Subject, method: Method, published: Published) -> ResultRow:
    voxels = subject.voxels
    if voxels.ndim > 3:
        raise InvalidArgument(f"the publication has no volumes of {voxels.ndim} axes")
    full = row.region == "full"
    box = tuple(slice(0, size) for size in voxels.shape) if full else find_box(voxels)
    stack = _stack(voxels[box])
    scaled = to_bytes(stack, whole=method.inner in WHOLE)
    payload_nbytes, decoded = CODERS[published.coder](scaled, method)
    stored_nbytes = payload_nbytes + (0 if full else _record_nbytes(published, len(stack)))
    original_nbytes = _numerator(subject, published, full)
    per_slice = method.inner not in WHOLE
    missed = _outside(subject.signal, subject.order, box)
    n_missed = np.count_nonzero(missed)
    n_signal = np.count_nonzero(subject.signal)
    return dataclasses.replace(
        row,
        original_nbytes=original_nbytes,
        stored_nbytes=stored_nbytes,
        compression_ratio=metrics.compression_ratio(original_nbytes, stored_nbytes),
        bpv_volume=metrics.bits_per_voxel(stored_nbytes, voxels.size),
        bpv_region=metrics.bits_per_voxel(stored_nbytes, stack.size),
        region_voxels=stack.size,
        peak=_PEAK,
        psnr_db=capped_psnr(scaled, decoded, per_slice=per_slice),
        # Slices are of one size: the mean over their voxels is the mean of their means.
        ssim=metrics.ssim(scaled, decoded, _PEAK),
        max_error=metrics.max_error(scaled, decoded),
        signal_voxels=int(n_signal),
        missed_voxels=int(n_missed),
        miss_rate=float(n_missed / n_signal),
        largest_missed_voxels=largest_group(missed, None),
    )


def find_box(voxels: Array) -> Box:
    """The published box.

    Voxels become 8 bits between the 1st and 99th percentile of the positive ones, rounded down; the
    threshold is the mean of those above 0; tissue is one 6-connected opening of what reaches it.
    """
    ndimage = require("scipy.ndimage", "the published box", "compare")
    positive = voxels[voxels > 0]
    low, high = np.percentile(positive, (1, 99)) if positive.size else (0.0, 0.0)
    if not high > low:
        raise InvalidArgument("the published rule finds no tissue: one value above 0, or none")
    eight = (np.clip((voxels - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    tissue = ndimage.binary_opening(eight >= eight[eight > 0].mean())
    if not tissue.any():
        raise InvalidArgument("the published rule finds no tissue")
    return tuple(
        slice(max(0, int(used[0]) - PADDING), min(size - 1, int(used[-1]) + PADDING))
        for used, size in _used(tissue)
    )


def _used(tissue: Array) -> list[tuple[Array, int]]:
    found = []
    for axis, size in enumerate(tissue.shape):
        others = tuple(other for other in range(tissue.ndim) if other != axis)
        found.append((np.flatnonzero(tissue.any(axis=others)), size))
    return found


def _stack(voxels: Array) -> Array:
    """2-D slices along the last axis, first axis first; an image is one slice."""
    return voxels[None] if voxels.ndim == 2 else np.moveaxis(voxels, -1, 0)


def to_bytes(stack: Array, *, whole: bool) -> npt.NDArray[np.uint8]:
    """Slices scaled to 8 bits by their own minimum and maximum, or by those of the whole stack."""
    values = stack.astype(np.float64)
    axes = None if whole else tuple(range(1, values.ndim))
    low, high = values.min(axis=axes, keepdims=True), values.max(axis=axes, keepdims=True)
    span = np.where(high > low, high - low, 1.0)
    return np.ascontiguousarray(((values - low) / span * 255).astype(np.uint8))


def capped_psnr(original: Array, decoded: Array, *, per_slice: bool) -> float:
    """The mean over slices, or that of the whole, with 100 where nothing differs."""
    pairs = zip(original, decoded, strict=True) if per_slice else [(original, decoded)]
    return float(np.mean([min(PSNR_CAP_DB, metrics.psnr(a, b, _PEAK)) for a, b in pairs]))


def _numerator(subject: Subject, published: Published, full: bool) -> int:
    if published.bytes_per_voxel is None:
        return subject.source.nbytes
    return subject.voxels.size * published.bytes_per_voxel[0 if full else 1]


def _record_nbytes(published: Published, n_slices: int) -> int:
    return RECORD_NBYTES * (n_slices if published.coder == "pillow-heif" else 1)


def _outside(signal: Array, order: tuple[int, ...], box: Box) -> Array:
    outside = signal.copy()
    outside[tuple(box[axis] for axis in order)] = False
    return outside
