"""Reading a packed scan from an HDF5 file, under the names that a Zarr array has."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.stores import hdf5_minc
from medroi.scans.stores.folders import nbytes_in
from medroi.scans.stores.group.array import turned_config, turned_items, turned_region
from medroi.scans.stores.hdf5_store import (
    ATTRIBUTE,
    DIGESTS,
    HEADER,
    Place,
    h5py_module,
    reading,
    split_source,
)


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


def stored_nbytes_of(path: Path) -> int:
    """Bytes of a file, of all files in a folder, or of one dataset of an HDF5 file."""
    place = split_source(path)
    return Hdf5Array(place).stored_nbytes if place and place.name else nbytes_in(path)


class Hdf5Array:
    """One dataset under the names of a Zarr array; its file is open only while it is read.

    Its axes are those of the scan, which an image of MINC has in reverse order.
    """

    shards = None

    def __init__(self, place: Place) -> None:
        self._place = _found(place)
        self._dataset: Any = None
        self._stored: set[tuple[int, ...]] | None = None
        with self.opened() as dataset:
            self.axes_reversed = hdf5_minc.AXES in dataset.attrs
            self.shape = self._turned(tuple(dataset.shape))
            self.ndim = len(self.shape)
            self.dtype = dataset.dtype
            self.chunks = self._turned(tuple(dataset.chunks or dataset.shape))
            self.nchunks_initialized = dataset.id.get_num_chunks() if dataset.chunks else 1
            self.stored_nbytes = dataset.id.get_storage_size()
            self.filters = list(dataset._filters)
            self.creation = [[name, list(words)] for name, words in dataset._filters.items()]
            self.attrs = _Attributes(dataset)
            if self.axes_reversed and REGION in self.attrs:
                self.attrs[REGION] = turned_region(self.attrs[REGION])
        self.cdata_shape = tuple(
            -(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)
        )
        self.nchunks = math.prod(self.cdata_shape)
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

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

        if self.axes_reversed:
            selection = turned_items(selection, self.ndim)
        with self.opened() as dataset:
            if self.is_medroi and self.filters == [str(medroi.hdf5.FILTER_ID)]:
                values = medroi.hdf5.read(dataset, selection)
            else:
                values = dataset[selection]
        found = np.asarray(values)
        return found.T if self.axes_reversed else found

    @property
    def all_nbytes(self) -> int:
        """Bytes of the whole file where no other dataset lies in it, else of the chunks."""
        h5py = h5py_module()
        n_found = 0

        def is_second(_: str, item: Any) -> bool | None:
            nonlocal n_found
            n_found += isinstance(item, h5py.Dataset)
            return True if n_found > 1 else None

        with self.opened() as dataset:
            has_others = dataset.file.visititems(is_second)
            is_whole = self._place.is_minc or not has_others
        return nbytes_in(self._place.file) if is_whole else self.stored_nbytes

    @property
    def is_medroi(self) -> bool:
        """Whether the chunks are streams."""
        from medroi.hdf5 import FILTER_ID

        return str(FILTER_ID) in self.filters

    @property
    def config(self) -> dict[str, Any] | None:
        """Options of the filter for the scan's axes, but for its inner codec; None without it."""
        from medroi.hdf5.filter import FILTER_ID, options_in

        words = dict(self.creation).get(str(FILTER_ID))
        if words is None:
            return None
        options = options_in(words)
        return turned_config(options, self.ndim) if self.axes_reversed else options

    def positions(self) -> Iterator[tuple[int, ...]]:
        """The grid positions of the chunks that are stored."""
        with self.opened() as dataset:
            for offset in self._offsets(dataset):
                yield tuple(at // size for at, size in zip(offset, self.chunks, strict=True))

    def facts_beside(self) -> dict[str, Any] | None:
        """Facts of the dataset that are for other programs; None where there are none."""
        with self.opened() as dataset:
            if self.axes_reversed:
                return hdf5_minc.facts_around(dataset)
            if HEADER not in dataset.attrs:
                return None
            header = np.asarray(dataset.attrs[HEADER]).tobytes()
            return {HEADER: hashlib.sha256(header).hexdigest()}

    def _turned(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """One item per axis of the dataset in the order of the scan's axes, or the other way."""
        return items[::-1] if self.axes_reversed else items

    def stream(self, position: tuple[int, ...]) -> bytes | None:
        """The bytes of one chunk's stream; None where it was never written."""
        offset = tuple(at * size for at, size in zip(position, self.chunks, strict=True))
        with self.opened() as dataset:
            if offset not in self._offsets(dataset):
                return None
            return bytes(dataset.id.read_direct_chunk(self._turned(offset))[1])

    def _offsets(self, dataset: Any) -> set[tuple[int, ...]]:
        """Where the stored chunks begin. Asking for each of them would go through all of them."""
        if self._stored is None:
            stored: set[tuple[int, ...]] = set()
            if hasattr(dataset.id, "chunk_iter"):

                def keep(info: Any) -> None:
                    stored.add(self._turned(tuple(info.chunk_offset)))

                dataset.id.chunk_iter(keep)
            else:
                for index in range(dataset.id.get_num_chunks()):
                    offset = dataset.id.get_chunk_info(index).chunk_offset
                    stored.add(self._turned(tuple(offset)))
            self._stored = stored
        return self._stored


class _Attributes(dict[str, Any]):
    """The attributes of a dataset as those of a Zarr array."""

    def __init__(self, dataset: Any) -> None:
        super().__init__()
        for name in (ATTRIBUTE, DIGESTS, REGION):
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
