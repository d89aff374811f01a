"""The HDF5 layout of packed scans: a file of datasets, each a scan.

A scan is named ``FILE.h5/NAME``, as HDF5's own tools do; without a name it is ``scan``. The dataset
has the axes of the scan's file (x, y, z and, where there is one, t last) and chunks coded slice by
slice along z. What the voxels do not say lies in the attributes: ``medroi`` holds the same JSON as
the Zarr layout, ``medroi_digests`` what it has to hold (`digests`), ``affine`` the 4x4 for programs
that want nothing else, ``nifti`` the bytes of a NIfTI header, as the array of that name in
nifti-zarr.

A file whose name ends with ``.mnc`` is MINC 2 (`hdf5_minc`): it holds one scan, whose axes are in
reverse order, as MINC has them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InnerUnavailable, MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans.scan import Scan
from medroi.scans.stores import hdf5_minc
from medroi.scans.stores.attachments import write_in_dataset
from medroi.scans.stores.group import ome
from medroi.scans.stores.group.array import turned_config
from medroi.scans.stores.hdf5_lock import Patience, make_readable

SUFFIXES = (".h5", ".hdf5", *hdf5_minc.SUFFIXES)
# The oldest library that has to read what is written. From this one on all of HDF5's own
# structures have checksums, so that a changed bit in them is found.
OLDEST = ("v110", "latest")
ATTRIBUTE = "medroi"
DIGESTS = "medroi_digests"
HEADER = ome.HEADER
_DEFAULT_NAME = "scan"


@dataclass(frozen=True)
class Place:
    """A dataset in a file.

    Attributes
    ----------
    file : Path
        The HDF5 file.
    name : str
        Of the dataset; empty where nobody gave one.
    """

    file: Path
    name: str

    @property
    def is_minc(self) -> bool:
        """Whether it is the image of a MINC 2 file."""
        return self.name == hdf5_minc.IMAGE


def split_target(path: Path) -> Place | None:
    """The file and the dataset that a target names; None where it names no HDF5 file."""
    for candidate in (path, *path.parents):
        if candidate.suffix.lower() in SUFFIXES and not candidate.is_dir():
            name = "/".join(path.parts[len(candidate.parts) :])
            return Place(candidate, name or _DEFAULT_NAME)
    return None


def split_source(path: Path) -> Place | None:
    """The file and the dataset that a source names; None where there is no HDF5 file."""
    for candidate in (path, *path.parents):
        if candidate.is_file():
            name = "/".join(path.parts[len(candidate.parts) :])
            return Place(candidate, name) if is_hdf5(candidate) else None
    return None


def name_of(path: Path) -> str:
    """The name of a source or a target that people read: of a dataset, that of its file too."""
    place = split_source(path) or split_target(path)
    return path.name if place is None else path.relative_to(place.file.parent).as_posix()


def is_hdf5(path: Path) -> bool:
    """Tell by the first bytes."""
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def h5py_module() -> Any:
    """Import h5py, or say how to install it."""
    try:
        import h5py
    except ImportError as error:
        raise InnerUnavailable(
            "an HDF5 file needs h5py, which is not installed: pip install 'medroi[hdf5]'"
        ) from error
    return h5py


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a file for reading; what the library says of damaged ones gets the file's name.

    Raises
    ------
    InvalidArgument
        Where another program keeps it open for writing.
    CorruptStream
        Where it cannot be read.
    """
    h5py = h5py_module()
    make_readable(path)
    patience = Patience(path)
    try:
        while True:
            try:
                file = h5py.File(path, "r")
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                with path.open("rb"):
                    # Who may not read it at all waits for nothing.
                    patience.wait()
        with file:
            yield file
    except (MedROIError, PermissionError):
        raise
    except MemoryError as error:
        raise CorruptStream(f"{path}: damaged, or larger than the memory") from error
    except Exception as error:
        raise CorruptStream(f"{path}: cannot be read as HDF5: {error}") from error


@contextlib.contextmanager
def _writing(path: Path, mode: str) -> Iterator[Any]:
    """Open a file of our own for writing; what goes wrong first is what is said."""
    try:
        with h5py_module().File(path, mode, libver=OLDEST) as file:
            yield file
    except Exception as error:
        number = _system_error(error)
        if number:
            raise OSError(number, os.strerror(number), str(path)) from error
        if isinstance(error, MedROIError):
            raise
        raise MedROIError(f"{path}: cannot be written: {error}") from error


def _system_error(error: BaseException) -> int:
    """The system's number of what went wrong first, such as a full disk; 0 where there is none.

    Closing the file then fails too, and the library gives the number at times and at times only
    says it.
    """
    number = 0
    link: BaseException | None = error
    while link is not None:
        said = re.search(r"errno = (\d+)", str(link))
        if isinstance(link, OSError) and link.errno:
            number = link.errno
        elif said:
            number = int(said[1])
        link = link.__context__
    return number


def write(
    place: Place,
    scan: Scan,
    config: dict[str, Any],
    crops: ScanRegion | None,
    chunks: tuple[int, ...],
    attributes: dict[str, Any],
    advance: Callable[[int], None],
) -> None:
    """Write a scan as the dataset of a new file.

    Parameters
    ----------
    place : Place
        The file must not exist.
    scan : Scan
        What is written.
    config : dict
        Of the fitted `MedROI`.
    crops : ScanRegion or None
        The region of which each chunk gets its crop; None where the filter finds its own.
    chunks : tuple of int
        Chunk shape.
    attributes : dict
        JSON-able facts of the scan.
    advance : callable
        Hears of the chunks written.
    """
    import medroi.hdf5

    background = config["background"]
    ndim, voxels = scan.voxels.ndim, scan.voxels
    options = {**config, "affine": None}
    if options["slice_axis"] is None:
        options["slice_axis"] = min(2, ndim - 1)
    if place.is_minc:
        options, voxels, chunks = turned_config(options, ndim), voxels.T, chunks[::-1]
        crops = None if crops is None else crops.transposed()
    with _writing(place.file, "x") as file:
        dataset = file.create_dataset(
            place.name,
            shape=voxels.shape,
            dtype=voxels.dtype,
            chunks=chunks,
            fillvalue=float(background) if isinstance(background, str) else background,
            **medroi.hdf5.MedROIFilter.from_config(options),
        )
        dataset.attrs[ATTRIBUTE] = json.dumps(attributes)
        dataset.attrs["affine"] = scan.affine
        write_in_dataset(dataset, scan.attachments)
        if place.is_minc:
            hdf5_minc.write_around(file, scan)
        else:
            _write_header(dataset, scan)
        medroi.hdf5.write(dataset, voxels, region=crops)
        advance(dataset.id.get_num_chunks())


def _write_header(dataset: Any, scan: Scan) -> None:
    for dimension, name in zip(dataset.dims, scan.axis_names, strict=True):
        dimension.label = name
    header = ome.header_of(scan)
    if header is not None:
        dataset.attrs[HEADER] = np.frombuffer(header, np.uint8)


def add_digests(place: Place, facts: dict[str, Any], digests: dict[str, Any]) -> None:
    """Write down what a dataset has to hold, and the facts as they are now known."""
    with _writing(place.file, "r+") as file:
        file[place.name].attrs[ATTRIBUTE] = json.dumps(facts)
        file[place.name].attrs[DIGESTS] = json.dumps(digests)
