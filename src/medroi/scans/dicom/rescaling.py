"""Slope and intercept of each slice, or the table in place of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import number, shown
from medroi.scans.dicom.frames import Frame, ImageFile


def rescale_of(frame: Frame) -> tuple[float, float]:
    """Slope and intercept of one slice; dose images have a name of their own for the first."""
    path = frame.path
    slope = number(path, frame, "RescaleSlope", number(path, frame, "DoseGridScaling", 1.0))
    if slope == 0:
        raise InvalidArgument(f"{path}: the rescale slope is 0, which leaves no values")
    return slope, number(path, frame, "RescaleIntercept", 0.0)


def table_of(pairs: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> dict[str, Any]:
    """The table of slopes and intercepts of slices, or of slices at each time: nested lists."""
    slopes, intercepts = np.asarray(pairs, np.float64).T
    return {
        "slope": slopes.reshape(shape, order="F").tolist(),
        "intercept": intercepts.reshape(shape, order="F").tolist(),
    }


def lookup_of(files: Sequence[ImageFile]) -> dict[str, Any] | None:
    """Read the modality lookup table (PS3.3, C.11.1.1) that files share; None where there is none.

    Returns
    -------
    dict or None
        ``first``, the stored value of the first entry, ``values``, and ``type``.

    Raises
    ------
    InvalidArgument
        For a table that is damaged, and for files that have different ones.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for file in files:
        if file.name not in found:
            found[file.name] = _lookup_in(file)
            if found[file.name] != found[files[0].name]:
                raise InvalidArgument(
                    f"{file.path}: another modality lookup table than that of "
                    f"{files[0].path.name}; the images of a volume must agree: pack each by itself"
                )
    return found[files[0].name]


def _lookup_in(file: ImageFile) -> dict[str, Any] | None:
    items = file.dataset.get("ModalityLUTSequence")
    if not items:
        return None
    descriptor = items[0].get("LUTDescriptor")
    try:
        count, first, n_bits = (int(value) for value in descriptor)
        is_little_endian = bool(file.dataset.original_encoding[1])
        values = _entries(items[0].LUTData, count or 1 << 16, n_bits, "<>"[not is_little_endian])
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(
            f"{file.path}: a modality lookup table that cannot be read (LUTDescriptor "
            f"{shown(descriptor)}): {' '.join(str(error).split())[:160]}"
        ) from error
    return {"first": first, "values": values, "type": str(items[0].get("ModalityLUTType") or "")}


def _entries(data: Any, count: int, n_bits: int, byte_order: str) -> list[int]:
    """Take the entries of a table out of words, or of bytes where only these are there."""
    if not isinstance(data, bytes):
        entries = np.atleast_1d(np.asarray(data, np.uint16))
    elif n_bits <= 8 and len(data) < 2 * count:
        entries = np.frombuffer(data, np.uint8)
    else:
        entries = np.frombuffer(data, f"{byte_order}u2", len(data) // 2)
    if len(entries) < count:
        raise ValueError(f"{len(entries)} entries, expected {count}")
    return [int(value) for value in entries[:count]]
