"""What the parallel reader and writer need to know of a dataset."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument
from medroi.hdf5.filter import FILTER_ID
from medroi.plugins.interface import load_installed

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
    words : ctypes array of uint
        The filter's complete cd_values.
    interface : Interface
        The plugin.
    fill_value : scalar
        Of chunks that were never written.
    padding : scalar
        What HDF5 puts behind the edge of the dataset.
    """

    dataset: Any
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    words: Any
    interface: Any
    fill_value: Any
    padding: Any

    def read_stream(self, offset: tuple[int, ...]) -> bytes | None:
        """The bytes of the chunk that begins here; None where it was never written."""
        identifier = self.dataset.id
        try:
            mask, stream = identifier.read_direct_chunk(offset)
        except (RuntimeError, OSError, ValueError, MemoryError):
            # Asked only now, because HDF5 goes through all chunks to answer this.
            if identifier.get_chunk_info_by_coord(offset).byte_offset is None:
                return None
            raise
        if mask != 0:
            raise InvalidArgument(
                f"the chunk at {offset} was stored without its filter; use dataset[...]"
            )
        return bytes(stream)


def open_chunked(dataset: Any) -> Chunked:
    """Look at a dataset.

    Raises
    ------
    InvalidArgument
        Where this filter is not its only one, or its chunks cannot be handled directly.
    """
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
    return Chunked(
        dataset=dataset,
        chunks=tuple(dataset.chunks),
        dtype=dataset.dtype,
        words=_words(creation.id),
        interface=load_installed(),
        fill_value=fill_value,
        padding=_padding(creation, fill_value, dataset.dtype),
    )


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


def _words(creation_id: int) -> Any:
    n_words = ctypes.c_size_t(_MAX_WORDS)
    words = (ctypes.c_uint * _MAX_WORDS)()
    found = _h5py_library().H5Pget_filter_by_id2(
        creation_id, FILTER_ID, None, ctypes.byref(n_words), words, 0, None, None
    )
    if found < 0 or n_words.value > _MAX_WORDS:
        raise InvalidArgument("the filter's cd_values cannot be read")
    return (ctypes.c_uint * n_words.value)(*words[: n_words.value])


def _chunk_options(creation_id: int) -> int:
    options = ctypes.c_uint()
    if _h5py_library().H5Pget_chunk_opts(creation_id, ctypes.byref(options)) < 0:
        return 0
    return options.value
