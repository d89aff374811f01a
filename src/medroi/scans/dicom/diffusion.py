"""Diffusion weighting of an image: the standard's elements, else those of vendors."""

from __future__ import annotations

import contextlib
import math
import struct
from typing import Any

from medroi.scans.dicom.frames import Frame

# (group, creator, element): private elements that the vendors document.
_B_VALUES = (
    (0x0019, "SIEMENS MR HEADER", 0x0C),
    (0x0043, "GEMS_PARM_01", 0x39),
    (0x2001, "Philips Imaging DD 001", 0x03),
)
_SIEMENS_B_VECTOR = (0x0019, "SIEMENS MR HEADER", 0x0E)
_PHILIPS_B_VECTOR = (0x2005, "Philips MR Imaging DD 001", (0xB0, 0xB1, 0xB2))
# GE adds 10^9 to b-values of some sequences.
_GE_OFFSET = 1_000_000_000


def b_value(frame: Frame) -> float | None:
    """Return the b-value in s/mm²; None where nothing says it."""
    found = _number(frame.get("DiffusionBValue"))
    if found is not None:
        return found
    for group, creator, element in _B_VALUES:
        found = _number(_private(frame, group, creator, element))
        if found is not None:
            return found % _GE_OFFSET if found >= _GE_OFFSET else found
    return None


def b_vector(frame: Frame) -> tuple[float, ...] | None:
    """Return the gradient's direction in the patient's axes (LPS); None without one."""
    found = _numbers(frame.get("DiffusionGradientOrientation"))
    if found is None:
        found = _numbers(_private(frame, *_SIEMENS_B_VECTOR))
    if found is None:
        group, creator, elements = _PHILIPS_B_VECTOR
        axes = [_number(_private(frame, group, creator, element)) for element in elements]
        found = tuple(value for value in axes if value is not None)
    return found if len(found) == 3 else None


def _private(frame: Frame, group: int, creator: str, element: int) -> Any:
    # Damaged elements of one vendor's own are no reason to refuse the voxels.
    with contextlib.suppress(Exception):
        return frame.file.dataset.private_block(group, creator)[element].value
    return None


def _number(value: Any) -> float | None:
    with contextlib.suppress(TypeError, ValueError, OverflowError, struct.error):
        if isinstance(value, bytes):
            found = _of_bytes(value)
        elif isinstance(value, str) or not hasattr(value, "__iter__"):
            found = float(value)
        else:
            found = float(next(iter(value)))
        return found if math.isfinite(found) else None
    return None


def _of_bytes(value: bytes) -> float:
    """A number whose type nobody knows, as private elements of implicit VR are."""
    try:
        return float(value.split(b"\\")[0])
    except ValueError:
        return float(struct.unpack({4: "<f", 8: "<d"}.get(len(value), "<d"), value)[0])


def _numbers(value: Any) -> tuple[float, ...] | None:
    with contextlib.suppress(TypeError, ValueError, struct.error):
        found = struct.unpack("<3d", value) if isinstance(value, bytes) else value
        if found is not None and len(found) == 3 and all(math.isfinite(item) for item in found):
            return tuple(float(item) for item in found)
    return None
