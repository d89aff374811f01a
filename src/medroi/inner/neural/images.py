"""Between elements of any type and batches of padded slices on one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner import slices
from medroi.inner.base import Array, Block

Reals = npt.NDArray[np.float64]
# Integers of more bits are not all double-precision numbers.
_MAX_INTEGER = 2**53


@dataclass(frozen=True)
class Scale:
    """An intensity is offset + span * network value.

    Attributes
    ----------
    offset, span : float
        In stored units.
    """

    offset: float
    span: float


@dataclass(frozen=True)
class Frame:
    """A slice inside the larger image that a network wants; all in pixels."""

    height: int
    width: int
    top: int
    left: int
    padded_height: int
    padded_width: int


def check_dtype(codec: str, region: Block) -> None:
    """Refuse elements that are no real numbers.

    Raises
    ------
    InvalidArgument
    """
    if region.dtype.kind not in "iuf":
        raise InvalidArgument(f"{codec} cannot code elements of dtype {region.dtype}: use zstd")


def scale_of(codec: str, region: Array) -> Scale:
    """The scale on which a region runs from 0 to 1; a constant one stays at 0.

    Raises
    ------
    InvalidArgument
        For NaN, infinities and integers beyond 2^53.
    """
    low, high = float(region.min()), float(region.max())
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)):
        raise InvalidArgument(
            f"{codec}: a region with NaN or infinite values: use a lossless inner codec "
            "(zstd, predict3d)"
        )
    if region.dtype.kind != "f" and max(abs(low), abs(high)) > _MAX_INTEGER:
        raise InvalidArgument(f"{codec}: integers beyond 2^53: use zstd or predict3d")
    return Scale(low, high - low if high > low else 1.0)


def to_slices(part: Array, scale: Scale) -> Reals:
    """A part as (slices, height, width) of network values."""
    shape = slices.slice_shape(part.shape)
    stacked = part.reshape((part.size // math.prod(shape), *shape)).astype(np.float64)
    return (stacked - scale.offset) / scale.span


def put_slices(values: Reals, scale: Scale, out: Array) -> None:
    """Write network values back as elements: rounded and clamped for integers.

    Parameters
    ----------
    values : ndarray of float64
        As many as `out` has elements.
    """
    restored = scale.offset + scale.span * values.reshape(out.shape)
    if not np.isfinite(restored).all():
        raise CorruptStream("corrupt stream: decoding gives NaN or infinite intensities")
    if out.dtype.kind == "f":
        with np.errstate(over="ignore"):
            out[...] = restored
        return
    limits = np.iinfo(out.dtype)
    # The largest double below the end of a 64-bit range is below that end by more than one.
    high = np.nextafter(float(limits.max), 0) if limits.bits == 64 else float(limits.max)
    rounded = np.clip(np.rint(restored), float(limits.min), high)
    out[...] = rounded.astype(out.dtype.newbyteorder("="))


def centred_frame(shape: tuple[int, int], multiple: int, minimum: int) -> Frame:
    """The frame of zeros around a slice, the smaller half of the padding first.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the slice.
    multiple : int
        Of which each side of the frame is a multiple.
    minimum : int
        The least side of the frame.
    """
    height, width = shape
    tall, wide = (max(minimum, -(-side // multiple) * multiple) for side in shape)
    return Frame(height, width, (tall - height) // 2, (wide - width) // 2, tall, wide)


def pad(values: Reals, frame: Frame) -> Reals:
    """Slices inside their frames, zeros around them."""
    below = frame.padded_height - frame.height - frame.top
    right = frame.padded_width - frame.width - frame.left
    return np.pad(values, ((0, 0), (frame.top, below), (frame.left, right)))


def crop(values: npt.NDArray[Any], frame: Frame) -> npt.NDArray[Any]:
    """Slices without their frames; the last two axes are height and width."""
    return values[..., frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
