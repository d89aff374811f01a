"""The filter in an old h5py: libhdf5 1.12 and numpy 1."""

from __future__ import annotations

import h5py
from h5py_promises import *  # noqa: F403


def test_h5py_is_old() -> None:
    assert h5py.version.hdf5_version.startswith("1.12")
    assert h5py.version.version_tuple[:2] == (3, 8)
