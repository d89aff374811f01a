"""Parts of the codecs of 2-D integers: value map, u32 length per slice, one file per slice."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import CorruptStream
from medroi.inner.base import Array, block_of, dense_bytes, native_block

Indices = npt.NDArray[np.int32]


def slice_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the slices of a part: its last two axes; one axis is a row."""
    return (shape[-2] if len(shape) > 1 else 1, shape[-1])


def find_map(part: Array, *, affine: bool, max_index: int) -> _kernel.ValueMap:
    """The value map of a part (FORMAT.md).

    Raises
    ------
    InvalidArgument
        For values that do not map to integers of 0 to `max_index`.
    """
    return _kernel.ValueMap.find(native_block(block_of(part)), dense_bytes(part), affine, max_index)


def map_bytes(values: _kernel.ValueMap, part: Array) -> bytes:
    """A value map as it is stored."""
    coded: bytes = values.to_bytes(native_block(block_of(part)))
    return coded


def indices_of(values: _kernel.ValueMap, part: Array) -> Indices:
    """The slices of a part as indices: an array of three axes."""
    indices = np.empty(part.size, np.int32)
    values.apply(native_block(block_of(part)), dense_bytes(part), indices)
    return indices.reshape(-1, *slice_shape(part.shape))


def short_indices_of(
    values: _kernel.ValueMap, part: Array, dtype: np.dtype[Any]
) -> npt.NDArray[np.unsignedinteger[Any]]:
    """All of a part as indices of an unsigned type of 8 or 16 bits, flat."""
    indices = np.empty(part.size, dtype.newbyteorder("="))
    values.apply_short(native_block(block_of(part)), dense_bytes(part), dense_bytes(indices))
    return indices.astype(dtype, copy=False)


def read_map(coded: memoryview, out: Array) -> tuple[_kernel.ValueMap, memoryview]:
    """The value map with which a part begins, and the bytes behind it."""
    values, nbytes = _kernel.ValueMap.read(native_block(block_of(out)), coded)
    return values, coded[nbytes:]


def put_indices(values: _kernel.ValueMap, indices: Indices, out: Array) -> None:
    """Write the elements that indices stand for."""
    values.invert(native_block(block_of(out)), indices.reshape(-1), dense_bytes(out))


def pack_slices(head: bytes, files: list[bytes]) -> bytes:
    """A part: its head, the lengths of its slices, its slices."""
    lengths = struct.pack(f"<{len(files)}I", *map(len, files))
    return b"".join([head, lengths, *files])


def split_slices(coded: memoryview, n_slices: int) -> list[memoryview]:
    """The slices of a part, from the bytes behind its head.

    Raises
    ------
    CorruptStream
        Where the lengths do not add up.
    """
    table_nbytes = 4 * n_slices
    if len(coded) < table_nbytes:
        raise CorruptStream("corrupt stream: a part of slices is cut off")
    lengths = struct.unpack_from(f"<{n_slices}I", coded)
    if sum(lengths) != len(coded) - table_nbytes:
        raise CorruptStream("corrupt stream: the lengths of a part's slices do not add up")
    return list(_cut(coded[table_nbytes:], lengths))


def _cut(coded: memoryview, lengths: tuple[int, ...]) -> Iterator[memoryview]:
    start = 0
    for length in lengths:
        yield coded[start : start + length]
        start += length


def decode_slices(
    files: list[memoryview],
    shape: tuple[int, int],
    decode: Callable[[bytes, tuple[int, int]], npt.NDArray[np.integer]],
) -> Indices:
    """Decode slice by slice into indices.

    Raises
    ------
    CorruptStream
        For what does not decode to integers of this shape.
    """
    indices = np.empty((len(files), *shape), np.int32)
    for number, file in enumerate(files):
        try:
            decoded = decode(bytes(file), shape)
        except CorruptStream:
            raise
        except Exception as error:  # every library raises errors of its own
            raise CorruptStream(
                f"corrupt stream: slice {number} of a part does not decode: {error}"
            ) from error
        if decoded.shape != shape:
            raise CorruptStream(
                f"corrupt stream: slice {number} of a part decodes to shape {decoded.shape}, "
                f"expected {shape}"
            )
        indices[number] = decoded
    return indices
