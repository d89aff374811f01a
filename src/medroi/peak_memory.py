"""The most memory that a piece of work takes."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def peak_of(work: Callable[[], Result]) -> tuple[Result, int | None]:
    """Run some work, and give the most resident memory while it ran over that before it, in bytes.

    None where the system does not tell (it is Linux that does).
    """
    # What earlier work gave back to the allocator only would hide what this one takes.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR.write_text(_RESET_PEAK)
        before = _resident("VmRSS")
    except OSError:
        return work(), None
    result = work()
    return result, max(0, _resident("VmHWM") - before)


def _resident(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return 1024 * int(value.split()[0])
    return 0
