"""Padding values that the files of a volume declare (PS3.3, C.7.5.1.1.2), in stored units."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from medroi.scans.dicom.frames import Frame

# A value, and the other end of a range of them: of integers, and of both kinds of floats.
_KEYWORDS = [
    f"{kind}PixelPadding{what}"
    for kind in ("", "Float", "DoubleFloat")
    for what in ("Value", "RangeLimit")
]


def padding_of(frames: Sequence[Frame], dtype: np.dtype[Any]) -> list[float] | None:
    """Find the lowest and the highest padding value that frames declare; None where none does.

    Where slices have values of their own, all between the lowest and the highest is padding.
    """
    files = {frame.file.name: frame.file for frame in frames}.values()
    found = []
    for file in files:
        # A damaged description is no reason to refuse the voxels, whatever pydicom says of it.
        with contextlib.suppress(Exception):
            declared = [_number(file.dataset.get(keyword), dtype) for keyword in _KEYWORDS]
            found += [number for number in declared if number is not None]
    return [min(found), max(found)] if found else None


def _number(value: Any, dtype: np.dtype[Any]) -> float | None:
    """Read a value as voxels have it; None for what is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not np.isfinite(number):
        return None
    if dtype.kind == "i" and number > np.iinfo(dtype).max:
        # Negative values are often declared as the bits that they are, without a sign.
        number -= 2.0 ** (8 * dtype.itemsize)
    return number
