"""Facts of a dataset that the parallel reader and writer need."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from medroi import _kernel, arrays
from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.hdf5.filter import FILTER_ID
from medroi.plugins import host

_MAX_WORDS = 20
_UNFILTERED_EDGES = 2


@dataclass(frozen=True)
class Chunked:
    """A dataset whose chunks are streams.

    Attributes
    ----------
    dataset : h5py.Dataset
    chunks : tuple of int
    dtype : dtype
        Of the stored elements.
    words : tuple of int
        The filter's cd_values as they are stored.
    words_to_read : tuple of int
        The same with the dataset's own chunk in them, which a stream has to be.
    plugin : Plugin
    fill_value : scalar
        Of chunks that were never written.
    padding : scalar
        What HDF5 puts behind the edge of the dataset.
    """

    dataset: Any
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    words: tuple[int, ...]
    words_to_read: tuple[int, ...]
    plugin: Any
    fill_value: Any
    padding: Any

    def read_stream(self, offset: tuple[int, ...]) -> bytes | None:
        """The bytes of the chunk that begins here; None where it was never written."""
        identifier = self.dataset.id
        with self.errors():
            try:
                mask, stream = identifier.read_direct_chunk(offset)
            except (RuntimeError, OSError, ValueError, MemoryError):
                # Asked only now, because HDF5 goes through all chunks to answer this.
                info = identifier.get_chunk_info_by_coord(offset)
                if info.byte_offset is None:
                    return None
                self._check_inside_file(info)
                raise
        if mask != 0:
            raise InvalidArgument(
                f"the chunk at {offset} was stored without its filter; use dataset[...]"
            )
        return bytes(stream)

    def _check_inside_file(self, info: Any) -> None:
        """A damaged index can name more bytes than there is memory."""
        file = self.dataset.file
        n_bytes = file.id.get_filesize()
        if info.byte_offset + info.size > n_bytes:
            raise CorruptStream(
                f"{file.filename}: {self.dataset.name}: the chunk at {info.chunk_offset} has "
                f"{info.size} bytes from {info.byte_offset} on, the file {n_bytes}: it is cut or "
                "damaged"
            )

    @contextmanager
    def naming(self, offset: tuple[int, ...]) -> Iterator[None]:
        """Errors of a chunk's stream, with the chunk that they are about."""
        try:
            yield
        except MedROIError as error:
            raise type(error)(f"{_place_of(self.dataset)}: chunk at {offset}: {error}") from error

    def errors(self) -> AbstractContextManager[None]:
        """Raise what HDF5 cannot do with a damaged file as an error of ours."""
        return _errors_of(self.dataset)


@contextmanager
def _errors_of(dataset: Any) -> Iterator[None]:
    try:
        yield
    except (MedROIError, MemoryError):
        raise
    except Exception as error:  # h5py has one for each of HDF5's error classes
        raise CorruptStream(f"{_place_of(dataset)}: HDF5 cannot handle it: {error}") from error


def _place_of(dataset: Any) -> str:
    """The file and the dataset in it, as far as they are known."""
    try:
        return f"{dataset.file.filename}: {dataset.name}"
    except Exception:  # of a damaged file, whatever h5py has
        return "the dataset"


def open_chunked(dataset: Any) -> Chunked:
    """Look at a dataset.

    Raises
    ------
    InvalidArgument
        Where this filter is not its only one, or its chunks cannot be handled directly.
    CorruptStream
        Where the file is damaged.
    """
    import h5py

    if not isinstance(dataset, h5py.Dataset) or not dataset:
        raise InvalidArgument(f"{dataset!r}: expected an h5py.Dataset of a file that is open")
    with _errors_of(dataset):
        return _described(dataset)


def _described(dataset: Any) -> Chunked:
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    if dataset.chunks is None or filters != [FILTER_ID]:
        raise InvalidArgument(
            f"{dataset.name}: filters {filters}, expected only {FILTER_ID} (medroi); use "
            "dataset[...]"
        )
    if _chunk_options(creation.id) & _UNFILTERED_EDGES:
        raise InvalidArgument(f"{dataset.name}: edge chunks are not filtered; use dataset[...]")
    fill_value = dataset.fillvalue
    words = _words(creation.id)
    return Chunked(
        dataset=dataset,
        chunks=tuple(dataset.chunks),
        dtype=dataset.dtype,
        words=words,
        words_to_read=_with_chunk(dataset, words),
        plugin=host.plugin(),
        fill_value=fill_value,
        padding=_padding(creation, fill_value, dataset.dtype),
    )


def _with_chunk(dataset: Any, words: tuple[int, ...]) -> tuple[int, ...]:
    """cd_values whose local part is that of the dataset; one that is there has to be it already."""
    dtype = dataset.dtype
    big_endian = arrays.is_big_endian(dtype)
    layout = _kernel.Layout(dataset.chunks, dtype.kind, dtype.itemsize, big_endian, False, 0)
    try:
        full: tuple[int, ...] = _kernel.complete_cd_values(words, layout)
    except (CorruptStream, InvalidArgument) as error:
        raise CorruptStream(
            f"{_place_of(dataset)}: chunks {dataset.chunks} of {dtype}, cd_values {words}: "
            f"{error}: the file is damaged or made up"
        ) from error
    return full


def _padding(creation: Any, fill_value: Any, dtype: np.dtype[Any]) -> Any:
    import h5py

    written = creation.get_fill_time() != h5py.h5d.FILL_TIME_NEVER
    defined = creation.fill_value_defined() != h5py.h5d.FILL_VALUE_UNDEFINED
    return fill_value if written and defined else np.zeros((), dtype)[()]


@cache
def _h5py_library() -> Any:
    """The libhdf5 that h5py itself is linked to: its own get_filter stops at 16 cd_values."""
    import h5py

    library = ctypes.PyDLL(h5py.h5p.__file__)
    library.H5Pget_filter_by_id2.argtypes = [
        ctypes.c_int64,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.POINTER(ctypes.c_uint),
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.H5Pget_chunk_opts.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_uint)]
    return library


def _words(creation_id: int) -> tuple[int, ...]:
    n_words = ctypes.c_size_t(_MAX_WORDS)
    words = (ctypes.c_uint * _MAX_WORDS)()
    found = _h5py_library().H5Pget_filter_by_id2(
        creation_id, FILTER_ID, None, ctypes.byref(n_words), words, 0, None, None
    )
    if found < 0 or n_words.value > _MAX_WORDS:
        raise InvalidArgument("the filter's cd_values cannot be read")
    return tuple(words[: n_words.value])


def _chunk_options(creation_id: int) -> int:
    options = ctypes.c_uint()
    if _h5py_library().H5Pget_chunk_opts(creation_id, ctypes.byref(options)) < 0:
        return 0
    return options.value
