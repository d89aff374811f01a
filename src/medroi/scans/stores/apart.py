"""A target is never its own source, and never lies among what is read."""

from __future__ import annotations

import os
from pathlib import Path

from medroi.errors import InvalidArgument
from medroi.scans.stores.hdf5_store import Place, h5py_module, reading, split_source


def check_apart(source: Path, target: Path, place: Place | None = None) -> None:
    """Refuse a target that would replace its source, or come to lie among the files of it.

    Parameters
    ----------
    source : Path
        A file, a folder, or a dataset of an HDF5 file.
    target : Path
        What is to be written.
    place : Place, optional
        The same, where it is a dataset: other datasets of its file may be the source.

    Raises
    ------
    InvalidArgument
        Naming both.
    """
    file = target if place is None else place.file
    if _is_dataset(source, place) if place is not None else _is_same(source, target):
        raise InvalidArgument(
            f"{target} is the source itself, which stays as it is: name another target"
        )
    if source.is_dir() and Path(os.path.realpath(file)).is_relative_to(os.path.realpath(source)):
        raise InvalidArgument(
            f"{target} lies in the source {source}, and would be taken for a part of it: name a "
            "target outside"
        )


def _is_same(source: Path, target: Path) -> bool:
    return source.exists() and target.exists() and source.samefile(target)


def _is_dataset(source: Path, place: Place) -> bool:
    """Whether a dataset that may be there already is the one that is read."""
    found = split_source(source)
    if found is None or not _is_same(found.file, place.file):
        return False
    h5py = h5py_module()
    with reading(place.file) as file:
        there = file.get(place.name)
        # Of a file that names no dataset the only one is read.
        here = there if not found.name else file.get(found.name)
        return isinstance(there, h5py.Dataset) and bool(here == there)
