"""Digests (SHA-256) of a packed scan, which `pack` takes from the store it read back.

They stand in the attribute ``medroi_digests``, beside ``medroi``, so that the loss of one of the
two is seen by the other:

- ``facts``: the attribute ``medroi`` with the array's shape and dtype;
- ``voxels``: what the array decodes to, little-endian, in the order of the scan's file;
- ``streams``: the stored bytes of all chunks with their places in the grid;
- ``metadata``: how the array is coded, without its attributes;
- ``region``, where chunks are crops of one region: the attribute that says what was dropped;
- ``lossless``: whether every build decodes the streams to the same voxels. Of a lossy inner codec
  another version or machine may round differently, which is no damage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.working_memory import WorkingMemory

ATTRIBUTE = "medroi_digests"
_NAMES = ("facts", "voxels", "streams", "metadata")


def is_complete(digests: object) -> bool:
    """Whether an attribute holds all digests."""
    return (
        isinstance(digests, dict)
        and all(isinstance(digests.get(name), str) for name in _NAMES)
        and isinstance(digests.get("lossless"), bool)
    )


def facts_digest(facts: object, shape: Sequence[int], dtype: np.dtype[Any]) -> str:
    """Digest of what stands beside the voxels, and of their shape and type."""
    return json_digest([facts, list(shape), dtype.newbyteorder("<").str])


def json_digest(value: object) -> str:
    """Digest of JSON, however it is spaced and ordered."""
    text = json.dumps(_normal(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _normal(value: object) -> object:
    """Programs that write JSON anew make 1 of 1.0."""
    if isinstance(value, float) and value.is_integer() and str(value) != "-0.0":
        return int(value)
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    return value


class StreamsDigest:
    """Digest of the stored bytes; the chunks come in the order of `chunk_selections`."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, position: tuple[int, ...], stream: bytes) -> None:
        """Take one chunk in."""
        self._hash.update(f"{position} {len(stream)}\n".encode("ascii"))
        self._hash.update(stream)

    def hexdigest(self) -> str:
        """Return the digest."""
        return self._hash.hexdigest()


class VoxelsDigest:
    """Digest of an array that comes chunk by chunk, in the order of `chunk_selections`.

    One slab of chunks, which shares the last axis, is held at a time.

    Parameters
    ----------
    shape, dtype
        Of the array.
    memory : WorkingMemory
        For a slab.
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype[Any], memory: WorkingMemory) -> None:
        self._shape, self._memory = tuple(shape), memory
        self._dtype = dtype.newbyteorder("<")
        self._hash = hashlib.sha256(f"{self._shape} {self._dtype.str}\n".encode("ascii"))
        self._slab: npt.NDArray[Any] | None = None
        self._n_held = 0

    def add(self, selection: tuple[slice, ...], voxels: npt.NDArray[Any]) -> None:
        """Take one chunk in."""
        slab_shape = (*self._shape[:-1], voxels.shape[-1])
        if voxels.shape == slab_shape:
            self.add_slab(voxels)
            return
        if self._slab is None:
            self._slab = self._memory.array(slab_shape, self._dtype, "F")
        self._slab[selection[:-1]] = voxels
        self._n_held += voxels.size
        if self._n_held == self._slab.size:
            self.add_slab(self._slab)
            self._slab, self._n_held = None, 0

    def add_slab(self, slab: npt.NDArray[Any]) -> None:
        """Take in all of the array between two places along its last axis."""
        ordered = np.asfortranarray(slab, dtype=self._dtype)
        self._hash.update(ordered.T.reshape(-1).view(np.uint8).data)

    def hexdigest(self) -> str:
        """Return the digest."""
        return self._hash.hexdigest()
