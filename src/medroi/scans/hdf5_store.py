"""The HDF5 layout of packed scans: a file of datasets, each a scan.

A scan is named ``FILE.h5/NAME``, as HDF5's own tools do; without a name it is ``scan``. The dataset
has the axes of the scan's file (x, y, z and, where there is one, t last) and chunks coded slice by
slice along z. What the voxels do not say lies in the attributes: ``medroi`` holds the same JSON as
the Zarr layout, ``affine`` the 4x4 for programs that want nothing else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans.scan import Scan

SUFFIXES = (".h5", ".hdf5")
_ATTRIBUTE = "medroi"
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
            return Place(candidate, name) if _is_hdf5(candidate) else None
    return None


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InnerUnavailable(
            "an HDF5 file needs h5py, which is not installed: pip install 'medroi[hdf5]'"
        ) from error
    return h5py


def prepare(place: Place, fresh: Path, *, force: bool) -> None:
    """Copy the file that gets one more dataset, without the dataset that is replaced.

    Raises
    ------
    InvalidArgument
        Where there is a dataset of that name already, or something else than an HDF5 file.
    """
    if not place.file.exists():
        return
    if not _is_hdf5(place.file):
        raise InvalidArgument(f"{place.file} exists and is no HDF5 file; remove it yourself")
    shutil.copyfile(place.file, fresh)
    with _h5py().File(fresh, "r+") as file:
        if place.name in file:
            if not force:
                raise InvalidArgument(
                    f"{place.file}/{place.name} exists; --force (force=True) replaces it, or name "
                    f"another: {place.file}/NAME"
                )
            del file[place.name]


def write(
    place: Place,
    scan: Scan,
    config: dict[str, Any],
    chunks: tuple[int, ...],
    attributes: dict[str, Any],
    advance: Callable[[int], None],
) -> None:
    """Write a scan as one more dataset of a file.

    Parameters
    ----------
    place : Place
        The file may exist; the dataset must not.
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
    h5py = _h5py()
    import medroi.hdf5

    background = config["background"]
    ndim = scan.voxels.ndim
    options = {**config, "affine": None}
    if options["slice_axis"] is None:
        options["slice_axis"] = min(2, ndim - 1)
    with h5py.File(place.file, "a") as file:
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


class Hdf5Array:
    """One dataset under the names of a Zarr array; its file is open only while it is read."""

    shards = None

    def __init__(self, place: Place) -> None:
        self._place = _found(place)
        with self._opened() as dataset:
            self.shape = tuple(dataset.shape)
            self.ndim = len(self.shape)
            self.dtype = dataset.dtype
            self.chunks = tuple(dataset.chunks or dataset.shape)
            self.nchunks_initialized = dataset.id.get_num_chunks() if dataset.chunks else 1
            self.stored_nbytes = dataset.id.get_storage_size()
            text = dataset.attrs.get(_ATTRIBUTE)
            self.filters = list(dataset._filters)
        self.cdata_shape = tuple(
            -(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)
        )
        self.nchunks = int(np.prod(self.cdata_shape))
        self.attrs = _Attributes(text)

    def _opened(self) -> Any:
        return _Opened(self._place)

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        import medroi.hdf5

        with self._opened() as dataset:
            if self.is_medroi and self.filters == [str(medroi.hdf5.FILTER_ID)]:
                return medroi.hdf5.read(dataset, selection)
            values: npt.NDArray[Any] = dataset[selection]
            return values

    @property
    def is_medroi(self) -> bool:
        """Whether the chunks are streams."""
        from medroi.hdf5 import FILTER_ID

        return str(FILTER_ID) in self.filters

    def stream(self, position: tuple[int, ...]) -> bytes | None:
        """The bytes of one chunk's stream; None where it was never written."""
        offset = tuple(at * size for at, size in zip(position, self.chunks, strict=True))
        with self._opened() as dataset:
            if dataset.id.get_chunk_info_by_coord(offset).byte_offset is None:
                return None
            return bytes(dataset.id.read_direct_chunk(offset)[1])


class _Attributes(dict[str, Any]):
    """The attributes of a dataset as those of a Zarr array."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        if isinstance(text, str):
            try:
                self[_ATTRIBUTE] = json.loads(text)
            except ValueError:
                self[_ATTRIBUTE] = {}

    def asdict(self) -> dict[str, Any]:
        """Return them all."""
        return dict(self)


class _Opened:
    """A dataset while it is read."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> Any:
        self._file = _h5py().File(self._place.file, "r")
        return self._file[self._place.name]

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _found(place: Place) -> Place:
    """Complete a place that has no name, or say which there are."""
    h5py = _h5py()
    import medroi.hdf5

    with h5py.File(place.file, "r") as file:
        names: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and str(medroi.hdf5.FILTER_ID) in item._filters:
                names.append(name)

        if place.name:
            if isinstance(file.get(place.name), h5py.Dataset):
                return place
            file.visititems(visit)
            missing = f"{place.file} has no dataset {place.name}"
        else:
            file.visititems(visit)
            if len(names) == 1:
                return Place(place.file, names[0])
            missing = f"{place.file}: name one of its datasets, as in {place.file}/NAME"
    raise InvalidArgument(f"{missing}; those with MedROI are: {', '.join(names) or 'none'}")
