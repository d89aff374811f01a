"""Whether a decoded array is what its inner codec promised."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from medroi import arrays
from medroi.errors import VerificationFailed
from medroi.inner.base import InnerCodec

Array = arrays.Array

_PSNR_TOLERANCE_DB = 0.25


def check(
    original: Array,
    decoded: Array,
    box: Sequence[tuple[int, int]],
    background: Any,
    inner: InnerCodec,
    roi: str,
) -> None:
    """Compare an array with what was decoded from its stream.

    Outside the box every voxel must be background. Inside it, voxels that a mask set to background
    are not compared; the others must be exact for a lossless inner codec, and keep the stated
    PSNR or largest error of a lossy one.

    Parameters
    ----------
    original, decoded : ndarray
    box : sequence of (int, int)
        Half-open bounds of the region per array axis.
    background : int or float
        Value outside the region.
    inner : InnerCodec
    roi : str
        Shape of the region.

    Raises
    ------
    VerificationFailed
    """
    if decoded.shape != original.shape or decoded.dtype != original.dtype:
        raise _failed(
            inner, f"{original.dtype} {original.shape} came back as {decoded.dtype} {decoded.shape}"
        )
    if original.size == 0:
        return
    empty = np.full((1,), background, original.dtype)
    inside = tuple(slice(start, stop) for start, stop in box)
    outside = np.ones(original.shape, bool)
    outside[inside] = False
    is_background = _bits(decoded) == _bits(empty)[0]
    if not is_background[outside].all():
        raise _failed(inner, "voxels outside the region are not background")
    compared = np.zeros(original.shape, bool)
    compared[inside] = True
    if roi != "box":
        compared &= ~is_background
    if inner.lossless:
        wrong = int(np.count_nonzero((_bits(original) != _bits(decoded)) & compared))
        if wrong:
            raise _failed(inner, f"{wrong} voxels differ, although it is lossless")
    elif compared.any():
        # The inner codec saw the box, whose background outside the mask came back as it was.
        n_seen = math.prod(stop - start for start, stop in box)
        seen = [background] if n_seen > np.count_nonzero(compared) else []
        _check_bounds(original[compared], decoded[compared], inner, n_seen, seen)


def _bits(array: Array) -> Array:
    """Elements as integers or raw bytes, so that -0.0 differs from 0.0 and NaN equals itself."""
    dense = array if array.flags.c_contiguous else np.ascontiguousarray(array)
    itemsize = dense.dtype.itemsize
    if itemsize in (1, 2, 4, 8):
        return dense.view(f"u{itemsize}")
    return dense.view(f"V{itemsize}")


def _failed(inner: InnerCodec, what: str) -> VerificationFailed:
    return VerificationFailed(f"inner codec {inner.config()}: {what}; nothing is written")


def _check_bounds(
    original: Array, decoded: Array, inner: InnerCodec, n_seen: int, seen: Sequence[float]
) -> None:
    """The promises of a lossy setting, over the compared voxels.

    A PSNR is that of all `n_seen` voxels that were coded, of which those that are not compared are
    exact, and have the values `seen`.
    """
    config = inner.config()
    wanted, found = original.astype(np.float64), decoded.astype(np.float64)
    error = np.abs(found - wanted)
    if not np.isfinite(error).all():
        raise _failed(inner, "voxels are not finite")
    ends = [float(wanted.min()), float(wanted.max()), *(x for x in seen if math.isfinite(x))]
    value_range = max(ends) - min(ends)
    if float(error.max()) > max(value_range, 1.0):
        raise _failed(inner, f"a voxel is off by {error.max():g}, more than the region's range")
    limit = inner.promised_error()
    slack = 0.5 if original.dtype.kind in "iu" else float(np.spacing(np.abs(original).max()))
    if limit is not None and float(error.max()) > limit + slack:
        raise _failed(inner, f"a voxel is off by {error.max():g}, the bound is {limit:g}")
    mean_square = float((error**2).sum()) / n_seen
    if config.get("psnr") is not None and mean_square > 0:
        peak = float(config.get("peak") or value_range)
        psnr = 20 * math.log10(peak) - 10 * math.log10(mean_square) if peak > 0 else -math.inf
        if psnr < float(config["psnr"]) - _PSNR_TOLERANCE_DB:
            raise _failed(inner, f"PSNR is {psnr:.2f} dB, {config['psnr']} were asked for")
