"""Streams inside the shards of a Zarr array."""

from __future__ import annotations

import math
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
    found = _index_item(files, key, array.metadata.codecs[0], within, per_shard, path)
    if found is None or found[0] == _ABSENT:
        return None
    start, nbytes = found
    stream = files.read(key, start, nbytes)
    if stream is None or len(stream) < nbytes:
        raise CorruptStream(f"{path / key}: the shard is cut off: a chunk ends beyond its end")
    return stream


def _index_item(
    files: Files, key: str, sharding: Any, within: int, per_shard: list[int], path: Path
) -> tuple[int, int] | None:
    """Place and length of a chunk in its shard; None where there is no such shard."""
    described = sharding.to_dict()["configuration"]
    names = [codec["name"] for codec in described["index_codecs"]]
    endian = described["index_codecs"][0].get("configuration", {}).get("endian", "little")
    if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little":
        raise InvalidArgument(
            f"{path / key}: the shard's index is coded with {', '.join(names)}; expected bytes "
            "(little endian) and crc32c. zarr.open reads the voxels"
        )
    nbytes = 16 * math.prod(per_shard)
    coded_nbytes = nbytes + _CRC_NBYTES * ("crc32c" in names)
    at_start = str(getattr(described["index_location"], "value", described["index_location"]))
    index = files.read(key, 0 if at_start == "start" else -coded_nbytes, coded_nbytes)
    if index is None:
        return None
    if len(index) < coded_nbytes:
        raise CorruptStream(f"{path / key}: the shard is too short for its index")
    start, length = np.frombuffer(index, "<u8", 2, 16 * within).tolist()
    return start, length
