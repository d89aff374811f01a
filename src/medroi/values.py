"""Numbers and flags as configurations spell them: one rule for every option of every codec.

A whole number may be written 3.0, numpy's scalars are numbers, and JSON's words for numbers that
are not finite are those numbers. A flag is no number, a number is no flag, a text is neither.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# Above it, a whole number stays as it is written in JSON: as a float where one holds it.
_LARGEST_ELEMENT = 2**64


def plain(value: Any) -> Any:
    """Return the Python value of a numpy scalar or of JSON's "NaN", and any other as it is."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def is_number(value: Any) -> bool:
    """Tell whether a plain value is a number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def canonical(number: int | float) -> int | float:
    """Return the one spelling of a number: an int where it is whole and an element may hold it.

    The float -0.0 has other bits than 0 and stays what it is.
    """
    if isinstance(number, int):
        if abs(number) < _LARGEST_ELEMENT:
            return int(number)
        try:
            return float(number) if float(number) == number else number
        except OverflowError:
            return number
    is_minus_zero = number == 0 and math.copysign(1, number) < 0
    if is_minus_zero or not math.isfinite(number) or abs(number) >= _LARGEST_ELEMENT:
        return float(number)
    return int(number) if number.is_integer() else float(number)


def number_of(name: str, value: Any) -> int | float:
    """Return an option that has to be a number, in its one spelling.

    Raises
    ------
    InvalidArgument
        For flags, texts and everything else.
    """
    found = plain(value)
    if not is_number(found):
        raise InvalidArgument(f"{name}={value!r}: expected a number")
    return canonical(found)


def float_of(name: str, value: Any) -> float:
    """Return an option that has to be a number, as a float.

    Raises
    ------
    InvalidArgument
        For flags, texts, numbers that no float comes near, and everything else.
    """
    try:
        return float(number_of(name, value))
    except OverflowError as error:
        raise InvalidArgument(f"{name}={value!r}: expected a number of 64 bits") from error


def whole_of(name: str, value: Any) -> int:
    """Return an option that has to be a whole number.

    Raises
    ------
    InvalidArgument
        For flags, texts, fractions and everything else.
    """
    found = plain(value)
    if not is_number(found) or not math.isfinite(found) or found != int(found):
        raise InvalidArgument(f"{name}={value!r}: expected a whole number")
    return int(found)


def flag_of(name: str, value: Any) -> bool:
    """Return an option that has to be True or False.

    Raises
    ------
    InvalidArgument
        For numbers, texts and everything else.
    """
    found = plain(value)
    if not isinstance(found, bool):
        raise InvalidArgument(f"{name}={value!r}: expected True or False")
    return found


def json_number(value: Any) -> Any:
    """Return a number as JSON writes it, and any other value as it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return next(text for text, number in _NOT_FINITE.items() if repr(number) == repr(value))
    return value


def n_available_cores() -> int:
    """Count the processor cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
