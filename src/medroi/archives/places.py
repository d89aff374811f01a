"""Places of an archive: a folder, or whatever fsspec reaches by a URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from medroi.archives.records import FileFacts
from medroi.archives.urls import local_path

# Everything of an archive that is no store and no copy lies in this folder of DST.
OWN = ".medroi-archive"
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*(::|://)")


class Place(Protocol):
    """A place for stores and files, each of which is there completely or not at all.

    Attributes
    ----------
    url : str
        Path, or URL without a password: what messages and reports name.
    address : str
        What `open_place` opened, which may have a password.
    is_local : bool
    """

    url: str
    address: str
    is_local: bool

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none where there is no such folder."""

    def exists(self, name: str) -> bool:
        """Whether a file, or a store that is complete, is there."""

    def read(self, name: str) -> bytes | None:
        """All bytes of a file; None where there is none."""

    def fetch(self, name: str, local: Path) -> bool:
        """Copy a file of any size to this disk; False where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, in place of one that is there."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file; False, and nothing done, where there is one already."""

    def put(self, local: Path, name: str, files: Iterable[FileFacts]) -> None:
        """Bring a finished store or file to a name, and read it back.

        It replaces what is there. Data come first, metadata last. Raises `VerificationFailed` where
        what is read back is not what was written; then nothing is at the name that could be taken
        for a store.
        """

    def at_hand(self, name: str, files: Iterable[FileFacts]) -> AbstractContextManager[Path]:
        """A store or file on this disk, every byte of it checked. Raises `CorruptStream`."""

    def remove(self, name: str) -> None:
        """Remove a store or file, its metadata first; nothing happens where there is none."""

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder to make stores in, of this process alone; it is gone at the end."""

    def clear_scratch(self) -> None:
        """Remove what killed processes left."""


def is_url(place: str) -> bool:
    """Whether a place is a URL and no path."""
    return _URL.match(place) is not None


def open_place(place: str, options: Mapping[str, Any] | None = None) -> Place:
    """Open a place by its path or URL.

    Parameters
    ----------
    place : str
        A folder, which need not be there yet, or a URL that fsspec knows: ``s3://``, ``gs://``,
        ``az://``, ``https://`` (for reading), ...; ``file://`` is a path.
    options : mapping, optional
        Of fsspec's file system, such as ``{"endpoint_url": ...}``.
    """
    path = local_path(place)
    if path is None and is_url(place):
        from medroi.archives.place_remote import RemotePlace

        return RemotePlace(place, dict(options or {}))
    from medroi.archives.place_local import LocalPlace

    return LocalPlace(Path(place if path is None else path))


def metadata_last(files: Iterable[FileFacts]) -> list[list[FileFacts]]:
    """Files in the order of writing: data, metadata of what lies deeper, that of the root.

    Those of one list may be written side by side.
    """
    found: dict[tuple[bool, int], list[FileFacts]] = {}
    for one in sorted(files, key=lambda one: one.name):
        last = one.name.rpartition("/")[2]
        is_metadata = last in ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
        key = (is_metadata, -one.name.count("/") if is_metadata else 0)
        found.setdefault(key, []).append(one)
    return [found[key] for key in sorted(found)]
