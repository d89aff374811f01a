"""Streams inside the shards of a Zarr array."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.stores.files import Files

# Offset and length of a chunk that a shard does not hold.
_ABSENT = 2**64 - 1
_CRC_NBYTES = 4


class Shards:
    """The shards of an array; the index of each is read once.

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
    """

    def __init__(self, path: Path, files: Files, key: str, array: Any) -> None:
        self._path, self._files, self._key = path, files, key
        self._encode_key = array.metadata.encode_chunk_key
        self._described = array.metadata.codecs[0].to_dict()["configuration"]
        self._grid = [-(-size // big) for size, big in zip(array.shape, array.shards, strict=True)]
        self._per_shard = [
            big // small for big, small in zip(array.shards, array.chunks, strict=True)
        ]
        self._found: dict[str, npt.NDArray[np.uint64]] = {}

    def stream(self, position: tuple[int, ...]) -> bytes | None:
        """Read the stream of one chunk; None where there is none.

        Parameters
        ----------
        position : tuple of int
            Of the chunk, counted in chunks over the whole array.

        Raises
        ------
        CorruptStream
            For a shard that is cut off.
        InvalidArgument
            For shards whose index is coded as only zarr can read it.
        """
        pairs = [
            divmod(place, count) for place, count in zip(position, self._per_shard, strict=True)
        ]
        key = self._key + self._encode_key(tuple(shard for shard, _ in pairs))
        within = int(np.ravel_multi_index([place for _, place in pairs], self._per_shard))
        index = self._index_of(key)
        if index is None or index[within, 0] == _ABSENT:
            return None
        start, nbytes = (int(number) for number in index[within])
        stream = self._files.read(key, start, nbytes)
        if stream is None or len(stream) < nbytes:
            raise CorruptStream(
                f"{self._path / key}: the shard is cut off: a chunk ends beyond its end"
            )
        return stream

    def n_chunks_stored(self) -> int:
        """Count the chunks that are there; zarr 3.0 counts shards. Raises what `stream` does."""
        n_stored = 0
        for position in product(*map(range, self._grid)):
            index = self._read_index(self._key + self._encode_key(position))
            if index is not None:
                n_stored += int(np.count_nonzero(index[:, 0] != _ABSENT))
        return n_stored

    def _index_of(self, key: str) -> npt.NDArray[np.uint64] | None:
        """Places and lengths of the chunks in a shard; None where there is no such shard."""
        found = self._found.get(key)
        if found is None:
            found = self._read_index(key)
            if found is not None:
                self._found[key] = found
        return found

    def _read_index(self, key: str) -> npt.NDArray[np.uint64] | None:
        described, path = self._described, self._path / key
        names = [codec["name"] for codec in described["index_codecs"]]
        endian = described["index_codecs"][0].get("configuration", {}).get("endian", "little")
        if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little":
            raise InvalidArgument(
                f"{path}: the shard's index is coded with {', '.join(names)}; expected bytes "
                "(little endian) and crc32c. zarr.open reads the voxels"
            )
        n_chunks = math.prod(self._per_shard)
        coded_nbytes = 16 * n_chunks + _CRC_NBYTES * ("crc32c" in names)
        at_start = str(getattr(described["index_location"], "value", described["index_location"]))
        index = self._files.read(key, 0 if at_start == "start" else -coded_nbytes, coded_nbytes)
        if index is None:
            return None
        if len(index) < coded_nbytes:
            raise CorruptStream(f"{path}: the shard is too short for its index")
        return np.frombuffer(index, "<u8", 2 * n_chunks).reshape(n_chunks, 2)
