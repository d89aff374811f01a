"""HDF5_PLUGIN_PATH of this process, for the processes that it starts.

A variable that is set replaces the folder that a libhdf5 was built to look into. So libraries of
this process learn of folders through their API, and the variable gets every folder that they know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_VARIABLE = "HDF5_PLUGIN_PATH"
# The value that is from here -> what stood there before.
_ours: dict[str, str | None] = {}


def is_set() -> bool:
    """Whether somebody has chosen folders."""
    return bool(os.environ.get(_VARIABLE))


def put_first(folder: str, others: Sequence[str] = ()) -> None:
    """Put a folder in front of those that are there, and others behind them."""
    value = os.environ.get(_VARIABLE)
    before = _ours.pop(value, value) if value is not None else None
    known = [folder, *(value or "").split(os.pathsep), *others]
    now = os.pathsep.join(dict.fromkeys(path for path in known if path))
    os.environ[_VARIABLE] = now
    _ours[now] = before


@contextmanager
def as_it_was() -> Iterator[None]:
    """Take out what was put there, so that a library that is being loaded keeps its own folder."""
    value = os.environ.get(_VARIABLE)
    if value is None or value not in _ours:
        yield
        return
    before = _ours[value]
    if before is None:
        del os.environ[_VARIABLE]
    else:
        os.environ[_VARIABLE] = before
    try:
        yield
    finally:
        if os.environ.get(_VARIABLE) == before:
            os.environ[_VARIABLE] = value
