"""The HDF5 layout of packed scans: a file of datasets, each a scan.

A scan is named ``FILE.h5/NAME``, as HDF5's own tools do; without a name it is ``scan``. The dataset
has the axes of the scan's file (x, y, z and, where there is one, t last) and chunks coded slice by
slice along z. What the voxels do not say lies in the attributes: ``medroi`` holds the same JSON as
the Zarr layout, ``medroi_digests`` what it has to hold (`digests`), ``affine`` the 4x4 for programs
that want nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, MedROIError
from medroi.scans.hdf5_lock import Patience, make_readable
from medroi.scans.scan import Scan

SUFFIXES = (".h5", ".hdf5")
# The oldest library that has to read what is written. From this one on all of HDF5's own
# structures have checksums, so that a changed bit in them is found.
OLDEST = ("v110", "latest")
_ATTRIBUTE = "medroi"
_DIGESTS = "medroi_digests"
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
    except (MedROIError, PermissionError, MemoryError):
        raise
    except Exception as error:
        raise CorruptStream(f"{path}: cannot be read as HDF5: {error}") from error


def write(
    place: Place,
    scan: Scan,
    config: dict[str, Any],
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
    chunks : tuple of int
        Chunk shape.
    attributes : dict
        JSON-able facts of the scan.
    advance : callable
        Hears of the chunks written.
    """
    h5py = h5py_module()
    import medroi.hdf5

    background = config["background"]
    ndim = scan.voxels.ndim
    options = {**config, "affine": None}
    if options["slice_axis"] is None:
        options["slice_axis"] = min(2, ndim - 1)
    with h5py.File(place.file, "x", libver=OLDEST) as file:
        dataset = file.create_dataset(
            place.name,
            shape=scan.voxels.shape,
            dtype=scan.voxels.dtype,
            chunks=chunks,
            fillvalue=float(background) if isinstance(background, str) else background,
            **medroi.hdf5.MedROIFilter.from_config(options),
        )
        dataset.attrs[_ATTRIBUTE] = json.dumps(attributes)
        dataset.attrs["affine"] = scan.affine
        medroi.hdf5.write(dataset, scan.voxels)
        advance(dataset.id.get_num_chunks())


def add_digests(place: Place, digests: dict[str, Any]) -> None:
    """Write down what a dataset has to hold."""
    with h5py_module().File(place.file, "r+", libver=OLDEST) as file:
        file[place.name].attrs[_DIGESTS] = json.dumps(digests)


def names_in(path: Path) -> list[str]:
    """The names of the datasets of a file that have the filter."""
    with reading(path) as file:
        return _names(file)


def _names(file: Any) -> list[str]:
    h5py = h5py_module()
    from medroi.hdf5 import FILTER_ID

    names: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and str(FILTER_ID) in item._filters:
            names.append(name)

    file.visititems(visit)
    return names


class Hdf5Array:
    """One dataset under the names of a Zarr array; its file is open only while it is read."""

    shards = None

    def __init__(self, place: Place) -> None:
        self._place = _found(place)
        self._dataset: Any = None
        self._stored: set[tuple[int, ...]] | None = None
        with self.opened() as dataset:
            self.shape = tuple(dataset.shape)
            self.ndim = len(self.shape)
            self.dtype = dataset.dtype
            self.chunks = tuple(dataset.chunks or dataset.shape)
            self.nchunks_initialized = dataset.id.get_num_chunks() if dataset.chunks else 1
            self.stored_nbytes = dataset.id.get_storage_size()
            self.filters = list(dataset._filters)
            self.creation = [[name, list(words)] for name, words in dataset._filters.items()]
            self.attrs = _Attributes(dataset)
        self.cdata_shape = tuple(
            -(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)
        )
        self.nchunks = math.prod(self.cdata_shape)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """Give the dataset; inside, every other access uses the same open file."""
        if self._dataset is not None:
            yield self._dataset
            return
        with reading(self._place.file) as file:
            self._dataset = file[self._place.name]
            try:
                yield self._dataset
            finally:
                self._dataset = self._stored = None

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        import medroi.hdf5

        with self.opened() as dataset:
            if self.is_medroi and self.filters == [str(medroi.hdf5.FILTER_ID)]:
                return medroi.hdf5.read(dataset, selection)
            values: npt.NDArray[Any] = dataset[selection]
            return values

    @property
    def is_medroi(self) -> bool:
        """Whether the chunks are streams."""
        from medroi.hdf5 import FILTER_ID

        return str(FILTER_ID) in self.filters

    def positions(self) -> Iterator[tuple[int, ...]]:
        """The grid positions of the chunks that are stored."""
        with self.opened() as dataset:
            for offset in self._offsets(dataset):
                yield tuple(at // size for at, size in zip(offset, self.chunks, strict=True))

    def stream(self, position: tuple[int, ...]) -> bytes | None:
        """The bytes of one chunk's stream; None where it was never written."""
        offset = tuple(at * size for at, size in zip(position, self.chunks, strict=True))
        with self.opened() as dataset:
            if offset not in self._offsets(dataset):
                return None
            return bytes(dataset.id.read_direct_chunk(offset)[1])

    def _offsets(self, dataset: Any) -> set[tuple[int, ...]]:
        """Where the stored chunks begin. Asking for each of them would go through all of them."""
        if self._stored is None:
            stored: set[tuple[int, ...]] = set()
            if hasattr(dataset.id, "chunk_iter"):
                dataset.id.chunk_iter(lambda info: stored.add(tuple(info.chunk_offset)) and None)
            else:
                for index in range(dataset.id.get_num_chunks()):
                    stored.add(tuple(dataset.id.get_chunk_info(index).chunk_offset))
            self._stored = stored
        return self._stored


class _Attributes(dict[str, Any]):
    """The attributes of a dataset as those of a Zarr array."""

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        for name in (_ATTRIBUTE, _DIGESTS):
            if name in dataset.attrs:
                try:
                    self[name] = json.loads(dataset.attrs[name])
                except (TypeError, ValueError, RecursionError):
                    self[name] = None

    def asdict(self) -> dict[str, Any]:
        """Return them all."""
        return dict(self)


def _found(place: Place) -> Place:
    """Complete a place that has no name, or say which there are."""
    h5py = h5py_module()
    with reading(place.file) as file:
        if place.name and isinstance(file.get(place.name), h5py.Dataset):
            return place
        names = _names(file)
    if place.name:
        missing = f"{place.file} has no dataset {place.name}"
    elif len(names) == 1:
        return Place(place.file, names[0])
    else:
        missing = f"{place.file}: name one of its datasets, as in {place.file}/NAME"
    raise InvalidArgument(f"{missing}; those with MedROI are: {', '.join(names) or 'none'}")
