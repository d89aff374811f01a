"""The plugin's C interface (filters/interface.h) through ctypes."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from medroi import errors, plugins

_VERSION = 3
_TEXT_NBYTES = 320
_STATUS = {
    1: errors.InvalidArgument,
    2: errors.CorruptStream,
    3: errors.UnsupportedVersion,
    4: errors.InnerUnavailable,
    5: MemoryError,
}


class Layout(ctypes.Structure):
    """medroi_layout."""

    _fields_ = (
        ("ndim", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 8),
        ("kind", ctypes.c_char),
        ("big_endian", ctypes.c_uint8),
        ("f_order", ctypes.c_uint8),
        ("axes", ctypes.c_uint8),
        ("itemsize", ctypes.c_uint16),
    )


_SIZE, _ADDRESS = ctypes.c_size_t, ctypes.c_void_p
_WORDS = ctypes.POINTER(ctypes.c_uint)

Reserve = ctypes.CFUNCTYPE(_ADDRESS, _ADDRESS, _SIZE)
EncodeHook = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.POINTER(Layout),
    ctypes.POINTER(ctypes.c_uint64),
    _ADDRESS,
    Reserve,
    _ADDRESS,
    _ADDRESS,
    _SIZE,
)
DecodeHook = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_uint16,
    ctypes.c_uint64,
    _ADDRESS,
    _SIZE,
    _ADDRESS,
    _SIZE,
    _ADDRESS,
    _SIZE,
)


class Hook(ctypes.Structure):
    """medroi_h5_hook."""

    _fields_ = (("encode", EncodeHook), ("decode", DecodeHook))


class Interface(ctypes.Structure):
    """medroi_h5_interface; its functions run without the GIL."""

    _fields_ = (
        ("version", ctypes.c_uint32),
        ("filter_id", ctypes.c_uint32),
        ("set_hook", ctypes.CFUNCTYPE(None, ctypes.POINTER(Hook))),
        ("last_error", ctypes.CFUNCTYPE(ctypes.c_char_p)),
        ("has_inner", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint16)),
        (
            "encode",
            ctypes.CFUNCTYPE(
                ctypes.c_int,
                _WORDS,
                _SIZE,
                _ADDRESS,
                _SIZE,
                ctypes.POINTER(_ADDRESS),
                ctypes.POINTER(_SIZE),
                _ADDRESS,
                _SIZE,
            ),
        ),
        (
            "decode",
            ctypes.CFUNCTYPE(
                ctypes.c_int, _WORDS, _SIZE, _ADDRESS, _SIZE, _ADDRESS, _SIZE, _ADDRESS, _SIZE
            ),
        ),
        ("release", ctypes.CFUNCTYPE(None, _ADDRESS)),
    )


@cache
def load(library: str) -> Any:
    """The interface of the plugin in this file: the one that HDF5 calls, too.

    Raises
    ------
    InnerUnavailable
        Where the file is no plugin of this version of medroi.
    """
    try:
        get_interface = ctypes.CDLL(library).medroi_h5_get_interface
    except (OSError, AttributeError) as error:
        raise errors.InnerUnavailable(f"the HDF5 plugin cannot be loaded: {error}") from error
    get_interface.restype = ctypes.POINTER(Interface)
    interface = get_interface().contents
    if interface.version != _VERSION:
        raise errors.InnerUnavailable(
            f"{library} has interface version {interface.version}, expected {_VERSION}: "
            "pip install --force-reinstall medroi"
        )
    return interface


def load_installed() -> Any:
    """The interface of this installation's plugin."""
    return load(plugins.library_path())


def encode(interface: Any, words: Any, chunk: Any) -> bytes:
    """One chunk (dense, uint8) to its stream, as the filter does.

    Parameters
    ----------
    interface : Interface
    words : sequence of int
        Complete cd_values.
    chunk : ndarray
        The chunk's bytes.
    """
    stream, nbytes = _ADDRESS(), _SIZE()
    text = ctypes.create_string_buffer(_TEXT_NBYTES)
    status = interface.encode(
        (ctypes.c_uint * len(words))(*words),
        len(words),
        chunk.ctypes.data,
        chunk.nbytes,
        ctypes.byref(stream),
        ctypes.byref(nbytes),
        ctypes.addressof(text),
        _TEXT_NBYTES,
    )
    _check(status, text.value)
    try:
        return ctypes.string_at(stream.value or 0, nbytes.value)
    finally:
        interface.release(stream)


def decode(interface: Any, words: Any, stream: bytes, chunk: Any) -> None:
    """One stream into a chunk's memory (dense, uint8), as the filter does.

    Raises
    ------
    CorruptStream, UnsupportedVersion, InnerUnavailable
    """
    text = ctypes.create_string_buffer(_TEXT_NBYTES)
    status = interface.decode(
        (ctypes.c_uint * len(words))(*words),
        len(words),
        stream,
        len(stream),
        chunk.ctypes.data,
        chunk.nbytes,
        ctypes.addressof(text),
        _TEXT_NBYTES,
    )
    _check(status, text.value)


def _check(status: int, text: bytes) -> None:
    if status != 0:
        raise _STATUS.get(status, errors.MedROIError)(text.decode("utf-8", "replace"))


def status_of(error: BaseException) -> int:
    """The medroi_status of a Python error."""
    for status, kind in _STATUS.items():
        if status != 1 and isinstance(error, kind):
            return status
    return 1
