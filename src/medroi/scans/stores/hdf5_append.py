"""One more dataset of an HDF5 file that may hold others.

The dataset is complete, checked and on the disk in a file of its own before the other file is
touched. Then its chunks are copied as they are. The file is neither copied nor rewritten: it keeps
its inode with mode, owner and links.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument, MedROIError
from medroi.scans.stores import hdf5_minc
from medroi.scans.stores.durable import rename_new, sync_tree
from medroi.scans.stores.hdf5_addition import Addition
from medroi.scans.stores.hdf5_lock import exclusive
from medroi.scans.stores.hdf5_store import (
    ATTRIBUTE,
    OLDEST,
    Place,
    h5py_module,
    is_hdf5,
    reading,
)
from medroi.system import sync

# The new dataset's name until the one that it replaces is gone.
_TEMPORARY = "medroi-new"


def check_target(place: Place, *, force: bool) -> None:
    """Refuse early what `add` would refuse.

    Raises
    ------
    InvalidArgument
        Where there is a dataset of that name already, or something else than an HDF5 file.
    """
    if not place.file.exists():
        return
    if not is_hdf5(place.file):
        raise InvalidArgument(f"{place.file} exists and is no HDF5 file; remove it yourself")
    with reading(place.file) as file:
        _check_name(file, place, force)


def is_packed_minc(path: Path) -> bool:
    """Whether a file is a packed scan as MINC 2, and nothing else."""
    if not is_hdf5(path):
        return False
    with reading(path) as file:
        image = file.get(hdf5_minc.IMAGE)
        return list(file) == ["minc-2.0"] and image is not None and ATTRIBUTE in image.attrs


def add(fresh: Path, place: Place, *, force: bool) -> None:
    """Move the dataset of the file `fresh` to its place.

    Parameters
    ----------
    fresh : Path
        On the same file system, with one dataset, which has the name that it will have.
    place : Place
        The file may exist, with whatever other objects.
    force : bool
        Replace a dataset of the same name.

    Raises
    ------
    InvalidArgument
        Where the file is open elsewhere, or holds the name already.
    MedROIError
        Where it is damaged, or was changed meanwhile.
    """
    sync_tree(fresh)
    while not place.file.exists():
        if rename_new(fresh, place.file):
            sync(place.file.parent)
            return
    if not is_hdf5(place.file):
        raise InvalidArgument(f"{place.file} exists and is no HDF5 file; remove it yourself")
    with exclusive(place.file) as descriptor:
        addition = Addition(descriptor)
        try:
            _copy(fresh, addition, place, force)
            addition.commit()
        except BaseException as error:
            addition.discard()
            raise _named(addition.error or error, place.file) from error
        finally:
            addition.close()


def _named(error: BaseException, path: Path) -> BaseException:
    """An error with the name of the file, where it has none."""
    if isinstance(error, OSError) and error.errno:
        return OSError(error.errno, f"{os.strerror(error.errno)}; nothing was added", str(path))
    if isinstance(error, InvalidArgument) or not isinstance(error, Exception):
        return error
    return MedROIError(f"{path}: nothing was added: {error}")


def _copy(fresh: Path, addition: Addition, place: Place, force: bool) -> None:
    h5py = h5py_module()
    with (
        h5py.File(addition, "r+", driver="fileobj", libver=OLDEST) as file,
        h5py.File(fresh, "r") as source,
    ):
        _check_name(file, place, force)
        if place.name not in file:
            source.copy(place.name, file, place.name)
            return
        # First the new one: what the old one leaves free must not be written to before all of the
        # new one is on the disk.
        source.copy(place.name, file, _TEMPORARY)
        del file[place.name]
        file.move(_TEMPORARY, place.name)


def _check_name(file: Any, place: Place, force: bool) -> None:
    h5py = h5py_module()
    parts = [part for part in place.name.split("/") if part]
    for n_parts in range(1, len(parts)):
        parent = "/".join(parts[:n_parts])
        if parent in file and not isinstance(file[parent], h5py.Group):
            raise InvalidArgument(f"{place.file}/{parent} is a dataset, and holds no others")
    link = file.get(place.name, getlink=True)
    if link is None:
        return
    if not isinstance(link, h5py.HardLink):
        raise InvalidArgument(f"{place.file}/{place.name} is a link; remove it yourself")
    if not isinstance(file[place.name], h5py.Dataset):
        raise InvalidArgument(
            f"{place.file}/{place.name} is a group, which may hold other datasets; name another: "
            f"{place.file}/{place.name}/NAME"
        )
    if not force:
        raise InvalidArgument(
            f"{place.file}/{place.name} exists; --force (force=True) replaces it, or name "
            f"another: {place.file}/NAME"
        )
