"""Rules for the settings of one array: its fill value, and codecs in front."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from medroi import arrays, codec
from medroi.errors import InvalidArgument
from medroi.zarr.chunk import dtype_of

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec


def of_filtered(made: codec.Settings) -> codec.Settings:
    """Settings for what an array-to-array codec flattened, whose elements may be no intensities.

    Of differences, say, every one has to come back exactly: they are summed up.
    """
    if not made.inner.lossless:
        raise InvalidArgument(
            f"an array-to-array codec in front of MedROICodec hands over flat arrays, in which the "
            f"errors of the lossy inner codec {made.inner.config()} may add up. Take the codec out "
            "of filters=, or take a lossless inner codec"
        )
    return dataclasses.replace(made, region=dataclasses.replace(made.region, threshold=None))


def is_fill(coded: bytes, made: codec.Settings, spec: ArraySpec) -> bool:
    """Whether a stream holds nothing but the fill value of an array of numbers."""
    background, dtype = made.region.background, dtype_of(spec)
    if background == "auto" or dtype.kind not in arrays.NUMBER_KINDS or len(spec.shape) < 2:
        return False
    if codec.inspect(coded).n_parts > 0:
        return False
    return bits_of_fill(spec.fill_value, dtype) == arrays.bits_of(background, dtype)


def bits_of_fill(fill_value: Any, dtype: np.dtype[Any]) -> int | None:
    """The bits of the fill value; None where no element of the dtype stands for it."""
    try:
        return arrays.bits_of(0 if fill_value is None else fill_value, dtype)
    except InvalidArgument:
        return None


def check_fill_value(made: codec.Settings, fill_value: Any, dtype: np.dtype[Any]) -> None:
    """Refuse a fill value that would look like tissue where zarr pads chunks with it."""
    background = made.region.background
    if isinstance(background, str):
        raise InvalidArgument(
            f"background={background!r} beside fill_value={fill_value}: zarr pads chunks with the "
            "fill value, so both must be one number. Use MedROICodec.fit(array, "
            "background='auto') and pass its background as fill_value, or MedROICodec.lossless()"
        )
    fill_bits = bits_of_fill(fill_value, dtype)
    if fill_bits is None:
        return  # an array-to-array codec in front changes what chunks are padded with
    if dtype.kind == "f" and made.inner.lossless and np.isnan(arrays.value_of(fill_bits, dtype)):
        return  # it is kept as it is, and xarray fills arrays of floats with it
    if fill_bits != arrays.bits_of(background, dtype):
        raise InvalidArgument(
            f"background={background} beside fill_value={fill_value}: zarr pads chunks with the "
            f"fill value, which would pass for tissue. Create the array with "
            f"fill_value={background}, or the codec with background={fill_value} if that is the air"
        )
