"""Streams inside the shards of a Zarr array."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument

# Offset and length of a chunk that a shard does not hold.
_ABSENT = 2**64 - 1
_CRC_NBYTES = 4


def shard_stream(path: Path, array: Any, position: tuple[int, ...]) -> bytes | None:
    """Read the stream of one chunk out of its shard; None where there is none.

    Parameters
    ----------
    path : Path
        Folder of the array.
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
    key: str = array.metadata.encode_chunk_key(tuple(shard for shard, _ in pairs))
    file = path / key
    try:
        shard: bytes = file.read_bytes()
    except FileNotFoundError:
        return None
    index = _index_of(shard, array.metadata.codecs[0], math.prod(per_shard), file)
    within = np.ravel_multi_index([place for _, place in pairs], per_shard)
    start, nbytes = (int(number) for number in index[within])
    if start == _ABSENT:
        return None
    if start + nbytes > len(shard):
        raise CorruptStream(f"{file}: the shard is cut off: a chunk ends beyond its end")
    return shard[start : start + nbytes]


def _index_of(shard: bytes, sharding: Any, n_chunks: int, file: Path) -> np.ndarray[Any, Any]:
    described = sharding.to_dict()["configuration"]
    names = [codec["name"] for codec in described["index_codecs"]]
    endian = described["index_codecs"][0].get("configuration", {}).get("endian", "little")
    if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little":
        raise InvalidArgument(
            f"{file}: the shard's index is coded with {', '.join(names)}; expected bytes (little "
            "endian) and crc32c. zarr.open reads the voxels"
        )
    nbytes = 16 * n_chunks
    coded_nbytes = nbytes + _CRC_NBYTES * ("crc32c" in names)
    if len(shard) < coded_nbytes:
        raise CorruptStream(f"{file}: the shard is too short for its index")
    at_start = str(getattr(described["index_location"], "value", described["index_location"]))
    first = 0 if at_start == "start" else len(shard) - coded_nbytes
    return np.frombuffer(shard, "<u8", 2 * n_chunks, first).reshape(n_chunks, 2)
