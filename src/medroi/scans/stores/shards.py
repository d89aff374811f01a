"""Streams inside the shards of a Zarr array."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.stores.files import Files

# Offset and length of a chunk that a shard does not hold.
_ABSENT = 2**64 - 1
_CRC_NBYTES = 4


def shard_stream(
    path: Path, files: Files, key: str, array: Any, position: tuple[int, ...]
) -> bytes | None:
    """Read the stream of one chunk out of its shard; None where there is none.

    Parameters
    ----------
    path : Path
        Of the store, for errors.
    files : Folder or Zipped
        Of the store.
    key : str
        Of the array in the store, with a slash behind it; empty for a store that is the array.
    array : zarr.Array
        Sharded.
    position : tuple of int
        Of the chunk, counted in chunks over the whole array.

    Raises
    ------
    CorruptStream
        For a shard that is cut off.
    InvalidArgument
        For shards whose index is coded as only zarr can read it.
    """
    per_shard = [big // small for big, small in zip(array.shards, array.chunks, strict=True)]
    pairs = [divmod(place, count) for place, count in zip(position, per_shard, strict=True)]
    key += array.metadata.encode_chunk_key(tuple(shard for shard, _ in pairs))
    within = int(np.ravel_multi_index([place for _, place in pairs], per_shard))
    index = _index_of(files, key, array, path)
    if index is None or index[within, 0] == _ABSENT:
        return None
    start, nbytes = (int(number) for number in index[within])
    stream = files.read(key, start, nbytes)
    if stream is None or len(stream) < nbytes:
        raise CorruptStream(f"{path / key}: the shard is cut off: a chunk ends beyond its end")
    return stream


def n_chunks_stored(path: Path, files: Files, key: str, array: Any) -> int:
    """Count the chunks that the shards of an array hold; its arguments are those of `shard_stream`.

    zarr 3.0 counts shards.
    """
    grid = [-(-size // shard) for size, shard in zip(array.shape, array.shards, strict=True)]
    n_stored = 0
    for position in product(*map(range, grid)):
        name = key + array.metadata.encode_chunk_key(position)
        index = _index_of(files, name, array, path)
        if index is not None:
            n_stored += int(np.count_nonzero(index[:, 0] != _ABSENT))
    return n_stored


def _index_of(
    files: Files, key: str, array: Any, path: Path
) -> np.ndarray[Any, np.dtype[np.uint64]] | None:
    """Places and lengths of the chunks in a shard; None where there is no such shard."""
    described = array.metadata.codecs[0].to_dict()["configuration"]
    names = [codec["name"] for codec in described["index_codecs"]]
    endian = described["index_codecs"][0].get("configuration", {}).get("endian", "little")
    if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little":
        raise InvalidArgument(
            f"{path / key}: the shard's index is coded with {', '.join(names)}; expected bytes "
            "(little endian) and crc32c. zarr.open reads the voxels"
        )
    n_chunks = math.prod(
        big // small for big, small in zip(array.shards, array.chunks, strict=True)
    )
    coded_nbytes = 16 * n_chunks + _CRC_NBYTES * ("crc32c" in names)
    at_start = str(getattr(described["index_location"], "value", described["index_location"]))
    index = files.read(key, 0 if at_start == "start" else -coded_nbytes, coded_nbytes)
    if index is None:
        return None
    if len(index) < coded_nbytes:
        raise CorruptStream(f"{path / key}: the shard is too short for its index")
    return np.frombuffer(index, "<u8", 2 * n_chunks).reshape(n_chunks, 2)
