"""Whether a store is whole, and still what was packed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.stores import digests, hdf5_store
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.zarr_array import ATTRIBUTE, LAYOUT_VERSION, chunk_selections, zarr_3

# Nobody leaves so many chunks out: a shape that says so is damaged.
_MAX_UNWRITTEN = 1 << 20


def check_complete(path: Path, array: Any) -> None:
    """Refuse a packed scan of which a chunk is missing, instead of taking it for background.

    So is a shape that announces far more chunks than there are: it would be read for hours.
    """
    n_missing = array.nchunks - _n_stored(path, array)
    if n_missing and is_packed(array):
        raise CorruptStream(
            f"{path}: {n_missing} of {array.nchunks} chunks are missing; a packed scan has them all"
        )
    if n_missing > _MAX_UNWRITTEN:
        raise CorruptStream(
            f"{path}: its shape, {array.shape}, has {array.nchunks} chunks, of which only "
            f"{array.nchunks - n_missing} are there; is it damaged? Parts can be read with zarr"
        )


def _n_stored(path: Path, array: Any) -> int:
    """The number of chunks that are stored; takes time for these alone, whatever the shape is."""
    if isinstance(array, Hdf5Array):
        return int(array.nchunks_initialized)
    if getattr(array, "shards", None) is not None:
        return _n_stored_in_shards(array)
    files = {
        Path(folder, name).relative_to(path).as_posix()
        for folder, _, names in os.walk(path)
        for name in names
    }
    if array.nchunks > len(files) + (0 if is_packed(array) else 2 * _MAX_UNWRITTEN):
        # More than these can not be there, which is answer enough.
        return len(files)
    key = array.metadata.encode_chunk_key
    return sum(key(position) in files for position, _ in chunk_selections(array))


def _n_stored_in_shards(array: Any) -> int:
    if array.nchunks > _MAX_UNWRITTEN:
        n_shards = 1
        for size, shard in zip(array.shape, array.shards, strict=True):
            n_shards *= -(-size // shard)
        if n_shards > _MAX_UNWRITTEN:
            return 0
    return int(array.nchunks_initialized)


def is_packed(array: Any) -> bool:
    """Whether `pack` wrote an array, as far as that can still be seen."""
    return ATTRIBUTE in array.attrs or digests.ATTRIBUTE in array.attrs


def facts_of(path: Path, array: Any) -> dict[str, Any] | None:
    """Notes of `pack` beside the voxels; None where it did not write the array.

    Raises
    ------
    InvalidArgument, CorruptStream
        Where it is not what was written.
    """
    if not is_packed(array):
        return None
    facts = array.attrs.get(ATTRIBUTE)
    version = facts.get("layout_version") if isinstance(facts, dict) else LAYOUT_VERSION
    if version != LAYOUT_VERSION:
        raise InvalidArgument(
            f"{path}: packed with layout version {version!r}; this release reads {LAYOUT_VERSION}"
        )
    written = array.attrs.get(digests.ATTRIBUTE)
    if not digests.is_complete(written):
        raise CorruptStream(f"{path}: the attribute {digests.ATTRIBUTE!r} is damaged or missing")
    if digests.facts_digest(facts, array.shape, array.dtype) != written["facts"]:
        raise InvalidArgument(
            f"{path}: the attribute {ATTRIBUTE!r}, the shape or the element type is damaged or was "
            "changed after packing; read the voxels themselves with zarr or h5py"
        )
    found = array.attrs.get(REGION)
    if (digests.json_digest(found) if REGION in array.attrs else None) != written.get("region"):
        raise CorruptStream(f"{path}: the attribute {REGION!r} is damaged or missing")
    return dict(facts)


def metadata_digest(path: Path, array: Any) -> str:
    """Digest of how an array is coded."""
    if isinstance(array, Hdf5Array):
        return digests.json_digest([list(array.chunks), array.creation])
    name = "zarr.json" if array.metadata.zarr_format == 3 else ".zarray"
    found = json.loads((path / name).read_bytes())
    return digests.json_digest({key: found[key] for key in found if key != "attributes"})


def add_digests(path: Path, facts: dict[str, Any], found: dict[str, Any]) -> None:
    """Write the digests of a new store into it, and its facts as they are now known."""
    place = hdf5_store.split_source(path)
    if place is not None:
        hdf5_store.add_digests(place, facts, found)
    else:
        array = zarr_3().open_array(str(path), mode="r+")
        array.update_attributes({ATTRIBUTE: facts, digests.ATTRIBUTE: found})
