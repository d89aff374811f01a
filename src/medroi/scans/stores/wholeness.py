"""Whether a store is whole, and still what was packed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.chunking import count_chunks
from medroi.scans.stores import attachments, digests, hdf5_store
from medroi.scans.stores.files import Files
from medroi.scans.stores.group.array import ScanArray
from medroi.scans.stores.group.ome import HEADER, LEVEL, MAX_LEVELS
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.shards import Shards
from medroi.scans.stores.zarr_array import (
    ATTRIBUTE,
    LAYOUT_VERSION,
    chunk_selections,
    compact_json,
    open_root,
    stored_in,
    zarr_3,
)

# Of the digests of a store, that of a group's other arrays.
OTHERS = "others"

# Nobody leaves so many chunks out: a shape that says so is damaged.
_MAX_UNWRITTEN = 1 << 20


def check_complete(path: Path, array: Any, *, is_of_pack: bool | None = None) -> None:
    """Refuse a packed scan of which a chunk is missing, instead of taking it for background.

    So is a shape that announces far more chunks than there are: it would be read for hours.

    Parameters
    ----------
    path : Path
        Of the store.
    array : Zarr array, ScanArray or Hdf5Array
        From `open_array`.
    is_of_pack : bool, optional
        Whether `pack` wrote the array; None is what its attributes say.
    """
    n_missing = array.nchunks - _n_stored(path, array)
    if n_missing and (is_packed(array) if is_of_pack is None else is_of_pack):
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
        return _n_stored_in_shards(path, array)
    stored, files, prefix = stored_in(path, array)
    keys = files.names()
    if array.nchunks > len(keys) + (0 if is_packed(array) else 2 * _MAX_UNWRITTEN):
        # More than these can not be there, which is answer enough.
        return len(keys)
    key = stored.metadata.encode_chunk_key
    return sum(prefix + key(position) in keys for position, _ in chunk_selections(stored))


def _n_stored_in_shards(path: Path, array: Any) -> int:
    if count_chunks(array.shape, array.shards) > _MAX_UNWRITTEN:
        return 0
    stored, files, key = stored_in(path, array)
    return Shards(path, files, key, stored).n_chunks_stored()


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
    """Digest of how an array is coded, and of what a group says of its arrays."""
    if isinstance(array, Hdf5Array):
        return digests.json_digest([list(array.chunks), array.creation])
    stored, files, key = stored_in(path, array)
    name = "zarr.json" if stored.metadata.zarr_format == 3 else ".zarray"
    described = _without_attributes(files, key + name)
    if not key:
        return digests.json_digest(described)
    # Of the group, too, everything but the attributes that have digests of their own.
    group = _json_of(files, "zarr.json")
    return digests.json_digest([described, group.get("attributes", {}).get("ome")])


def _without_attributes(files: Files, key: str) -> dict[str, Any]:
    found = _json_of(files, key)
    return {name: found[name] for name in found if name != "attributes"}


def _json_of(files: Files, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.read(key) or b"{}")
    return found


def others_digest(path: Path, array: Any) -> str | None:
    """Digest of what lies beside the voxels: the header, and in a group the smaller levels.

    None where there is nothing.
    """
    if isinstance(array, Hdf5Array):
        facts = array.facts_beside()
        return None if facts is None else digests.json_digest(facts)
    _, files, key = stored_in(path, array)
    own = (HEADER, *(LEVEL.format(number) for number in range(1, MAX_LEVELS)))
    found = {
        name: hashlib.sha256(files.read(name) or b"").hexdigest()
        for name in files.names()
        if key and name.split("/")[0] in own
    }
    return digests.json_digest(found) if found else None


def check_others(path: Path, array: Any) -> None:
    """Refuse a packed scan whose attachments, header array or smaller levels are damaged.

    Raises
    ------
    CorruptStream
    """
    written = array.attrs[digests.ATTRIBUTE]
    if written.get(OTHERS) != others_digest(path, array):
        raise CorruptStream(
            f"{path}: damaged: the arrays beside its voxels (the header, smaller levels) are not "
            "those that were packed"
        )
    found = {name: read() for name, read in attachments_in(path, array).items()}
    if written.get(attachments.DIGEST) != (attachments.digest_of(found) if found else None):
        raise CorruptStream(
            f"{path}: damaged: the files that travel with the scan are not those that were packed"
        )


def attachments_in(path: Path, array: Any) -> attachments.Readers:
    """The files that travel with the scan of a store: for each name what reads its bytes."""
    if isinstance(array, Hdf5Array):
        return attachments.in_dataset(path, array.opened)
    if isinstance(array, ScanArray) and array.key:
        return attachments.in_group(path, open_root(path))
    return attachments.in_attribute(path, array.attrs.get(attachments.NAME))


def add_digests(path: Path, facts: dict[str, Any], found: dict[str, Any]) -> None:
    """Write into a store what it has to hold, and its facts as they are now known."""
    place = hdf5_store.split_source(path)
    if place is not None:
        hdf5_store.add_digests(place, facts, found)
    else:
        with compact_json():
            written = zarr_3().open(str(path), mode="r+")
            written.update_attributes({ATTRIBUTE: facts, digests.ATTRIBUTE: found})
