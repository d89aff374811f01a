"""The file that says that a place is an archive, and of which tree."""

from __future__ import annotations

import json
from typing import Any

from medroi.archives.places import OWN, Place
from medroi.errors import CorruptStream, InvalidArgument, UnsupportedVersion

NAME = f"{OWN}/archive.json"
VERSION = 1


def claim(place: Place, name: str, *, moved: bool) -> None:
    """Make a place an archive of a tree, or see that it is one.

    Parameters
    ----------
    place : Place
    name : str
        Of the tree: its absolute path or its URL.
    moved : bool
        Take it for the tree that was archived here before, though that had another name.

    Raises
    ------
    InvalidArgument
        Where it holds other things, or the archive of another tree.
    UnsupportedVersion
        For an archive of another version.
    """
    found = read(place)
    if found is None:
        others = [name for name in place.names("") if name != OWN]
        if others:
            raise InvalidArgument(
                f"{place.url}: holds {others[0]!r} and is no archive of medroi; choose an empty "
                "folder, or one that is not there yet"
            )
    elif found.get("source") == name:
        return
    elif not moved:
        raise InvalidArgument(
            f"{place.url}: the archive of {found.get('source')}, not of {name}: choose another "
            "place, or say that this is the same tree under another path with --moved "
            "(moved=True)"
        )
    text = json.dumps({"medroi_archive": VERSION, "source": name}, indent=2)
    place.write(NAME, f"{text}\n".encode())


def read(place: Place) -> dict[str, Any] | None:
    """Content of the file; None where there is none."""
    data = place.read(NAME)
    if data is None:
        return None
    try:
        found = json.loads(data)
        version = found["medroi_archive"]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStream(
            f"{place.url}/{NAME}: damaged or edited; the journal beside it has what was done. "
            "Remove this one file and give --moved (moved=True)"
        ) from error
    if version != VERSION:
        raise UnsupportedVersion(
            f"{place.url}: an archive of version {version}, this medroi reads {VERSION}; use the "
            "medroi that wrote it"
        )
    return dict(found)


def check(place: Place) -> None:
    """Refuse a place that is no archive."""
    if read(place) is None:
        raise InvalidArgument(f"{place.url}: no archive of medroi; expected what archive wrote")
