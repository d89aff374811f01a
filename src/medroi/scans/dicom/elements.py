"""Numbers out of elements, which may be empty, damaged or hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.scan import MAX_MM

_MAX_SHOWN = 60


def shown(value: Any) -> str:
    """Write a value of a file into a message: of a long one only its beginning."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def number(path: Path, dataset: Any, keyword: str, default: float) -> float:
    """Read one finite number; an empty element says as little as an absent one."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return default
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = np.nan
    if not np.isfinite(found):
        raise InvalidArgument(f"{path}: {keyword} is {shown(value)}; expected a number")
    return found


def numbers(path: Path, dataset: Any, keyword: str, count: int) -> npt.NDArray[np.float64]:
    """Read so many numbers of a sensible size."""
    value = dataset.get(keyword)
    try:
        found = np.asarray([float(item) for item in value], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    # Comparing is false for NaN as well.
    if len(found) != count or not (np.abs(found) < MAX_MM).all():
        raise InvalidArgument(
            f"{path}: {keyword} is {shown(value)}; expected {count} numbers below {MAX_MM:g}"
        )
    return found


def whole(value: Any) -> int | None:
    """Read a whole number of a sensible size; None for anything else."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) < 1 << 31 else None
