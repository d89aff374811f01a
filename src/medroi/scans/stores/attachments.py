"""Files that travel with a scan (`Scan.attachments`), in every kind of store.

A group keeps each as an array of bytes below ``medroi_files``, compressed with zstd; a Zarr array
that stands alone has them in an attribute of that name, in base64; a dataset in attributes. The
digest ``files`` covers names and bytes. Arrays and attributes are numbered: a name from elsewhere
is never the name of a file here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream
from medroi.scans.scan import require
from medroi.scans.stores.digests import json_digest

NAME = "medroi_files"
# Of the digests of a store, that of its attachments.
DIGEST = "files"
# Up to this size the slowest level of zstd takes a second at most.
_SMALL_NBYTES = 1 << 22
_LEVEL, _LEVEL_OF_SMALL = 9, 19


def digest_of(attachments: Mapping[str, bytes]) -> str:
    """Digest of names and bytes."""
    return json_digest(
        {name: hashlib.sha256(data).hexdigest() for name, data in attachments.items()}
    )


def _level_for(nbytes: int) -> int:
    return _LEVEL_OF_SMALL if nbytes <= _SMALL_NBYTES else _LEVEL


def write_in_group(path: Path, attachments: Mapping[str, bytes]) -> None:
    """Write them into a new group.

    Parameters
    ----------
    path : Path
        Folder of the group.
    attachments : mapping of str to bytes
        By name; nothing is written where there are none.
    """
    if not attachments:
        return
    zarr = require("zarr", "a Zarr store")
    group = zarr.create_group(
        str(path / NAME), zarr_format=3, attributes={"names": list(attachments)}
    )
    for number, data in enumerate(attachments.values()):
        array = group.create_array(
            str(number),
            shape=(len(data),),
            chunks=(max(1, len(data)),),
            dtype="uint8",
            filters=None,
            compressors=zarr.codecs.ZstdCodec(level=_level_for(len(data))),
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        if data:
            array[:] = np.frombuffer(data, np.uint8)


def as_json(attachments: Mapping[str, bytes]) -> dict[str, str]:
    """The attribute of an array that stands alone."""
    return {name: base64.b64encode(data).decode("ascii") for name, data in attachments.items()}


def write_in_dataset(dataset: Any, attachments: Mapping[str, bytes]) -> None:
    """Write them into attributes of an HDF5 dataset; nothing where there are none."""
    if not attachments:
        return
    dataset.attrs[NAME] = json.dumps(
        [[name, len(data)] for name, data in attachments.items()], ensure_ascii=True
    )
    for number, data in enumerate(attachments.values()):
        # An attribute has no filters, and none is empty.
        packed = _zstd().encode(np.frombuffer(data, np.uint8)) if data else b"\0"
        dataset.attrs[f"{NAME}_{number}"] = np.frombuffer(packed, np.uint8)


def _zstd() -> Any:
    from numcodecs import Zstd

    return Zstd(level=_LEVEL)


Readers = dict[str, Callable[[], bytes]]


def in_group(path: Path, group: Any) -> Readers:
    """The attachments of a group: for each name what reads its bytes."""
    if NAME not in group:
        return {}
    inside = group[NAME]
    names = _names(path, dict(inside.attrs).get("names"))

    def read(number: int) -> bytes:
        return np.asarray(inside[str(number)][...]).astype(np.uint8, copy=False).tobytes()

    return {name: (lambda number=number: read(number)) for number, name in enumerate(names)}  # type: ignore[misc]


def in_attribute(path: Path, value: Any) -> Readers:
    """The attachments of an array that stands alone, from its attribute."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _damaged(path)

    def read(text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise _damaged(path) from error

    return {name: (lambda text=text: read(text)) for name, text in value.items()}  # type: ignore[misc]


def in_dataset(path: Path, opened: Callable[[], Any]) -> Readers:
    """The attachments of an HDF5 dataset, which `opened` opens."""
    with opened() as dataset:
        text = dataset.attrs.get(NAME)
        if text is None:
            return {}
        try:
            listed = [(str(name), int(nbytes)) for name, nbytes in json.loads(text)]
        except (TypeError, ValueError, RecursionError) as error:
            raise _damaged(path) from error

    def read(number: int, nbytes: int) -> bytes:
        if nbytes == 0:
            return b""
        with opened() as dataset:
            packed = np.asarray(dataset.attrs[f"{NAME}_{number}"]).astype(np.uint8, copy=False)
        data = bytes(_zstd().decode(packed.tobytes()))
        if len(data) != nbytes:
            raise _damaged(path)
        return data

    return {
        name: (lambda number=number, nbytes=nbytes: read(number, nbytes))  # type: ignore[misc]
        for number, (name, nbytes) in enumerate(listed)
    }


def _names(path: Path, found: Any) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> CorruptStream:
    return CorruptStream(f"{path}: the list of the files that travel with the scan is damaged")
