"""Coders for label maps by other people, with what their users put behind them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import compressed_segmentation
import compresso
import crackle
import imagecodecs
import numpy as np
from numcodecs import Shuffle, Zstd

Array = np.ndarray[Any, Any]
_ZSTD = Zstd(level=19)


def _zstd(labels: Array) -> bytes:
    return bytes(_ZSTD.encode(Shuffle(labels.itemsize).encode(labels.tobytes())))


def _zstd_back(coded: bytes, like: Array) -> Array:
    shuffled = _ZSTD.decode(coded)
    return np.frombuffer(Shuffle(like.itemsize).decode(shuffled), like.dtype)


def _planes(labels: Array) -> Array:
    """Byte planes, one after the other."""
    return labels.reshape(-1, 1).view(np.uint8).T


def _rle(labels: Array) -> bytes:
    coded = [imagecodecs.packbits_encode(np.ascontiguousarray(p)) for p in _planes(labels)]
    return struct.pack(f"<{len(coded)}Q", *map(len, coded)) + b"".join(coded)


def _rle_back(coded: bytes, like: Array) -> Array:
    sizes = struct.unpack_from(f"<{like.itemsize}Q", coded)
    planes, at = [], 8 * like.itemsize
    for size in sizes:
        planes.append(np.frombuffer(imagecodecs.packbits_decode(coded[at : at + size]), np.uint8))
        at += size
    return np.ascontiguousarray(np.stack(planes, axis=1)).view(like.dtype)


def _segmentation(labels: Array) -> bytes:
    # Its axes are x, y, z, and it codes 32 and 64 bits.
    wide = np.asfortranarray(labels.T.astype(np.uint32))
    return bytes(_ZSTD.encode(compressed_segmentation.compress(wide, order="F")))


def _segmentation_back(coded: bytes, like: Array) -> Array:
    wide = compressed_segmentation.decompress(
        bytes(_ZSTD.decode(coded)), like.T.shape, dtype=np.uint32, order="F"
    )
    return wide.T.astype(like.dtype)


def _unsigned(labels: Array) -> Array:
    """Labels as coders of segmentations take them: unsigned, x first."""
    return np.asfortranarray(labels.T.view(f"u{labels.itemsize}"))


def _compresso(labels: Array) -> bytes:
    return bytes(_ZSTD.encode(compresso.compress(_unsigned(labels))))


def _compresso_back(coded: bytes, like: Array) -> Array:
    return np.ascontiguousarray(compresso.decompress(bytes(_ZSTD.decode(coded))).T).view(like.dtype)


def _crackle(labels: Array) -> bytes:
    return bytes(crackle.compress(_unsigned(labels), markov_model_order=5, parallel=1))


def _crackle_back(coded: bytes, like: Array) -> Array:
    return np.ascontiguousarray(crackle.decompress(coded, parallel=1).T).view(like.dtype)


def _jpegxl(labels: Array) -> bytes:
    values, ranks = np.unique(labels, return_inverse=True)
    ranks = ranks.reshape(-1, *labels.shape[-2:]).astype(np.uint16)
    slices = [imagecodecs.jpegxl_encode(s, lossless=True, effort=7, numthreads=1) for s in ranks]
    sizes = np.array([len(values), *map(len, slices)], np.uint32)
    return sizes.tobytes() + values.tobytes() + b"".join(slices)


def _jpegxl_back(coded: bytes, like: Array) -> Array:
    n, *sizes = np.frombuffer(coded, np.uint32, 1 + int(np.prod(like.shape[:-2]))).tolist()
    at = 4 * (1 + len(sizes))
    values = np.frombuffer(coded, like.dtype, n, at)
    at += values.nbytes
    slices = []
    for size in sizes:
        slices.append(imagecodecs.jpegxl_decode(coded[at : at + size], numthreads=1))
        at += size
    return values[np.stack(slices)]


PEERS: dict[str, tuple[Callable[[Array], bytes], Callable[[bytes, Array], Array]]] = {
    "zstd": (_zstd, _zstd_back),
    "rle": (_rle, _rle_back),
    "jpegxl-e7": (_jpegxl, _jpegxl_back),
    "compressed-segmentation": (_segmentation, _segmentation_back),
    "compresso": (_compresso, _compresso_back),
    "crackle": (_crackle, _crackle_back),
}
