"""Inner codecs that only Python has, for the HDF5 plugin of this process.

The plugin calls `_encode` and `_decode` from inside libhdf5, on any thread; ctypes takes the GIL
for them, and no exception leaves them.
"""

from __future__ import annotations

import atexit
import ctypes
import dataclasses
import hashlib
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel, arrays, codec, plugins
from medroi.errors import InnerUnavailable
from medroi.inner.base import Block
from medroi.inner.trust import Reading
from medroi.plugins import interface as plugin
from medroi.settings import token_of, with_fill_value

# 64-bit key in cd_values -> the settings that it stands for.
_settings: dict[int, codec.Settings] = {}
_installed: list[Any] = []


def key_of(settings: codec.Settings) -> int:
    """Remember settings under a key that the same settings have in every process."""
    token = token_of(settings)
    key = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "little")
    known = _settings.get(key, settings)
    _settings[key] = dataclasses.replace(settings, trust=settings.trust | known.trust)
    return key


def install(library: str) -> None:
    """Hand the plugin its way to Python, and take it back when Python ends."""
    if _installed:
        return
    interface = plugin.load(library)
    hook = plugin.Hook(plugin.EncodeHook(_encode), plugin.DecodeHook(_decode))
    interface.set_hook(ctypes.byref(hook))
    _installed.extend([hook, interface])
    atexit.register(_leave)


def _leave() -> None:
    """Write what open files still hold in their chunk caches, while Python can still encode."""
    for library in plugins.libraries():
        try:
            with plugins.h5py_lock():
                _flush_files(library)
        except Exception as error:  # the other libraries' files still need their flush
            print(f"medroi: an open HDF5 file could not be flushed: {error}", file=sys.stderr)
    _installed[1].set_hook(None)


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
    if not _installed:
        return None
    text: bytes = _installed[1].last_error()
    return text.decode("utf-8", "replace") or None


def _guarded(run: Callable[[], None], text: int, text_nbytes: int) -> int:
    """Run, and turn whatever it raises into a status and a message."""
    try:
        run()
    except BaseException as error:  # an exception must not get into libhdf5
        message = (str(error) or type(error).__name__).encode()[: text_nbytes - 1]
        ctypes.memmove(text, message + b"\0", len(message) + 1)
        return plugin.status_of(error)
    return 0


def _encode(
    key: int,
    layout: Any,
    background: Any,
    data: int,
    reserve: Any,
    context: int,
    text: int,
    text_nbytes: int,
) -> int:
    def run() -> None:
        settings = _settings.get(key)
        if settings is None:
            raise InnerUnavailable(
                "this dataset's inner codec runs in Python, and its settings are known only to a "
                "process that made them: call medroi.hdf5.MedROIFilter(...) with the options that "
                "the dataset was created with, then write"
            )
        chunk = layout.contents
        shape = tuple(chunk.shape[: chunk.ndim])
        dtype = _dtype_of(chunk)
        if not data:
            settings.inner.check(_block(shape, dtype, settings.slice_axis))
            return
        values = _memory(data, math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
        values.flags.writeable = False
        fill_value = arrays.value_of(background.contents.value, dtype) if background else None
        stream = codec.encode(values, with_fill_value(settings, fill_value, dtype))
        target = reserve(context, len(stream))
        if not target:
            raise MemoryError(f"no memory for {len(stream)} bytes")
        ctypes.memmove(target, stream, len(stream))

    return _guarded(run, text, text_nbytes)


def _decode(
    inner_id: int,
    key: int,
    stream: int,
    nbytes: int,
    data: int,
    data_nbytes: int,
    text: int,
    text_nbytes: int,
) -> int:
    def run() -> None:
        reading = _reading(inner_id, key)
        codec.decode(_memory(stream, nbytes), out=_memory(data, data_nbytes), reading=reading)

    return _guarded(run, text, text_nbytes)


def _reading(inner_id: int, key: int) -> Reading:
    """Rights of streams of a dataset whose cd_values name this inner codec."""
    settings = _settings.get(key)
    return Reading(inner_id) if settings is None else settings.reading


def reading_of(words: tuple[int, ...]) -> Reading:
    """Rights of streams of a dataset with these cd_values."""
    return _reading(*_kernel.read_cd_values(words))


def _dtype_of(chunk: Any) -> np.dtype[Any]:
    order = ">" if chunk.big_endian else "<"
    return np.dtype(f"{order}{chunk.kind.decode('ascii')}{chunk.itemsize}")


def _memory(address: int, nbytes: int) -> npt.NDArray[np.uint8]:
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


def _block(shape: tuple[int, ...], dtype: np.dtype[Any], slice_axis: int | None) -> Block:
    first = 0 if slice_axis is None or len(shape) == 1 else slice_axis % len(shape)
    others = [size for axis, size in enumerate(shape) if axis != first]
    return Block((shape[first], *others), dtype)
