"""The filter in an h5py with libhdf5 1.14, whose error stack is paused while a filter runs."""

from __future__ import annotations

import h5py
from h5py_promises import *  # noqa: F403


def test_the_libhdf5_is_1_14() -> None:
    assert h5py.version.hdf5_version.startswith("1.14")
