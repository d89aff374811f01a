"""Parts of the general-purpose compressors: filter byte, byte shuffle, compressed bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medroi.errors import CorruptStream
from medroi.inner.base import Array, dense_bytes

_PLAIN, _SHUFFLED = 0, 1


def pack(part: Array, shuffle: bool, compress: Callable[[bytes], bytes]) -> bytes:
    """One part through a compressor, as the kernel writes it."""
    memory, itemsize = dense_bytes(part), part.dtype.itemsize
    if itemsize == 1 or not shuffle:
        return bytes([_PLAIN]) + compress(memory.tobytes())
    planes = memory.reshape(-1, itemsize).T
    return bytes([_SHUFFLED]) + compress(planes.tobytes())


def unpack(coded: memoryview, out: Array, decompress: Callable[[bytes], bytes]) -> None:
    """Undo `pack`.

    Raises
    ------
    CorruptStream
        Where the bytes do not decompress to exactly the part.
    """
    memory, itemsize = dense_bytes(out), out.dtype.itemsize
    if len(coded) < 1 or coded[0] not in (_PLAIN, _SHUFFLED):
        raise CorruptStream("corrupt stream: a part has no filter byte of 0 or 1")
    try:
        plain = np.frombuffer(decompress(bytes(coded[1:])), np.uint8)
    except Exception as error:  # every library raises errors of its own
        raise CorruptStream(f"corrupt stream: a part does not decompress: {error}") from error
    if plain.size != memory.size:
        raise CorruptStream(
            f"corrupt stream: a part decompresses to {plain.size} bytes, expected {memory.size}"
        )
    if coded[0] == _SHUFFLED:
        memory.reshape(-1, itemsize)[:] = plain.reshape(itemsize, -1).T
    else:
        memory[:] = plain
