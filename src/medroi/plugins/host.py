"""Inner codecs that only Python has, for the HDF5 plugin of this process.

The plugin asks for one when it first meets it, and calls it as the engine calls any codec that was
registered: from inside libhdf5, on any thread.
"""

from __future__ import annotations

import atexit
import ctypes
import dataclasses
import hashlib
import sys
from functools import cache
from typing import Any

import numpy as np

from medroi import _kernel, inner, plugins
from medroi.codec import Settings
from medroi.errors import InnerUnavailable
from medroi.hosting import Hosted
from medroi.inner.base import InnerCodec
from medroi.inner.trust import Reading
from medroi.settings import token_of

# 64-bit key in cd_values -> the settings that it stands for.
_settings: dict[int, Settings] = {}


@cache
def plugin() -> _kernel.Plugin:
    """The plugin of this installation: the one that HDF5 calls, too.

    Raises
    ------
    InnerUnavailable
        Where there is none, or not of this version of medroi.
    """
    try:
        get_interface = ctypes.CDLL(plugins.library_path()).medroi_h5_get_interface
    except (OSError, AttributeError) as error:
        raise InnerUnavailable(f"the HDF5 plugin cannot be loaded: {error}") from error
    return _kernel.Plugin(ctypes.cast(get_interface, ctypes.c_void_p).value)


def key_of(settings: Settings) -> int:
    """Have the plugin keep settings under a key that the same settings have in every process."""
    token = token_of(settings)
    key = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "little")
    known = _settings.get(key)
    if known is None:
        plugin().keep(key, settings.config)
        known = settings
    _settings[key] = dataclasses.replace(settings, trust=settings.trust | known.trust)
    return key


def reading_of(inner_id: int, key: int) -> Reading:
    """Rights of streams of a dataset whose cd_values have this inner codec and key, or 0."""
    settings = _settings.get(key)
    return Reading(inner_id) if settings is None else settings.reading


class _Registered(Hosted):
    """The inner codec of an id, for every chunk of this process."""

    def __init__(self, inner_id: int) -> None:
        self._inner_id = inner_id

    def codec(self) -> type[InnerCodec]:
        """The class that has the id now."""
        return inner.by_id(self._inner_id)

    def dtype(self, text: str) -> np.dtype[Any]:
        """As the engine says: HDF5 has no dates."""
        return np.dtype(text)

    def reading(self) -> Reading:
        """Those of the dataset that is being read on this thread."""
        return reading_of(*plugin().reader())

    def failed(self, problem: BaseException) -> None:
        """Leave it to the plugin, which hands text and kind to HDF5."""


class _Host:
    """Answers the plugin when an inner codec is not registered."""

    def provide(self, inner_id: int) -> None:
        """Register the codec of an id."""
        name = inner.by_id(inner_id).name
        plugin().register_inner(inner_id, name, _Registered(inner_id))


@cache
def serve() -> None:
    """Give the plugin its way to Python, and take it back when Python ends."""
    plugin().set_host(_Host())
    atexit.register(_leave)


def _leave() -> None:
    """Write what open files still hold in their chunk caches, while Python can still encode."""
    for library in plugins.libraries():
        try:
            with plugins.h5py_lock():
                _flush_files(library)
        except Exception as error:  # the other libraries' files still need their flush
            print(f"medroi: an open HDF5 file could not be flushed: {error}", file=sys.stderr)
    plugin().set_host(None)


_ALL_OBJECTS, _FILES, _LOCAL_SCOPE = 0x1F, 0x01, 0


def _flush_files(library: Any) -> None:
    count = library.H5Fget_obj_count
    count.restype = ctypes.c_ssize_t
    count.argtypes = [ctypes.c_int64, ctypes.c_uint]
    get_ids = library.H5Fget_obj_ids
    get_ids.restype = ctypes.c_ssize_t
    get_ids.argtypes = [ctypes.c_int64, ctypes.c_uint, ctypes.c_size_t, ctypes.c_void_p]
    flush = library.H5Fflush
    flush.argtypes = [ctypes.c_int64, ctypes.c_int]
    n_files = count(_ALL_OBJECTS, _FILES)
    if n_files <= 0:
        return
    ids = (ctypes.c_int64 * n_files)()
    n_files = get_ids(_ALL_OBJECTS, _FILES, n_files, ctypes.addressof(ids))
    for file_id in ids[: max(0, n_files)]:
        if flush(file_id, _LOCAL_SCOPE) < 0:
            reason = last_error() or "HDF5 printed why"
            print(f"medroi: an open HDF5 file could not be flushed: {reason}", file=sys.stderr)


def last_error() -> str | None:
    """Last refusal of the plugin on this thread."""
    return plugin().last_error() or None
