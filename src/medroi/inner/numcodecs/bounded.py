"""Decoding that stops at the number of bytes that the stream's header leaves room for."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from medroi.inner.base import Array

# Codec, what it wrote, shape and element type of what was fed -> what was fed, or more or less.
Decoder = Callable[[Any, bytes, tuple[int, ...], np.dtype[Any]], Any]


def _nbytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def by_itself(codec: Any, file: bytes, _shape: tuple[int, ...], _dtype: np.dtype[Any]) -> Any:
    """Let a codec decode as it likes."""
    return codec.decode(file)


def into_array(codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Decode into an array of what is expected; codecs of images refuse one of another size.

    Voxels that a damaged file leaves out are 0, never what the memory held before.
    """
    out = np.zeros(shape, dtype)
    decoded: Array = codec.decode(file, out=out)
    return decoded


def into_bytes(codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """Decode into one byte more than is expected, so that too many are seen to be too many."""
    return codec.decode(file, out=bytearray(_nbytes_of(shape, dtype) + 1))


def _streamed(stream: Any, file: bytes, nbytes: int) -> bytes:
    plain: bytes = stream.decompress(file, nbytes + 1)
    if len(plain) <= nbytes and not stream.eof:
        raise ValueError("the compressed bytes are cut off")
    return plain


def zlib_stream(_codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Decode zlib's format."""
    return _streamed(zlib.decompressobj(), file, _nbytes_of(shape, dtype))


def bz2_stream(_codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Decode bzip2's format."""
    return _streamed(bz2.BZ2Decompressor(), file, _nbytes_of(shape, dtype))


def lzma_stream(codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Decode the formats of liblzma."""
    stream = lzma.LZMADecompressor(format=codec.format, filters=codec.filters)
    return _streamed(stream, file, _nbytes_of(shape, dtype))


def gzip_stream(_codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Decode gzip's format."""
    with gzip.GzipFile(fileobj=io.BytesIO(file)) as stream:
        return stream.read(_nbytes_of(shape, dtype) + 1)


def pcodec_numbers(_codec: Any, file: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Decode pco's format into just as many numbers."""
    from pcodec import standalone

    out = np.zeros(shape, dtype)
    progress = standalone.simple_decompress_into(file, out)
    if not progress.finished or progress.n_processed != out.size:
        raise ValueError(f"pco holds another number of elements than {out.size}")
    return out
