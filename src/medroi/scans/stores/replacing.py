"""Stores seen from outside, and whether another may take their place."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.stores import attachments
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.files import Files, files_of, is_zip
from medroi.scans.stores.group.ome import HEADER
from medroi.scans.stores.zarr_array import AIR, ATTRIBUTE

# What Zarr calls the files of an array: its metadata, and chunks, 0.0.0, 0/0/0 or c/0/0/0.
_OF_ARRAY = re.compile(r"(zarr\.json|\.zarray|\.zattrs|(c/)?[0-9]+([./][0-9]+)*|c)")
# And the folders on the way to them.
_FOLDERS = re.compile(r"c|(c/)?[0-9]+(/[0-9]+)*")


def is_store(path: Path) -> bool:
    """Tell a Zarr array or group, in a folder or a zip file, from other folders and files."""
    if is_zip(path):
        return "zarr.json" in files_of(path).names() or ".zarray" in files_of(path).names()
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def may_replace(path: Path) -> bool:
    """Whether what stands there is one packed scan, or one Zarr array, with nothing else in it.

    Raises
    ------
    InvalidArgument
        Where it holds files that belong to no array of a packed scan.
    """
    if path.is_file() and not is_zip(path):
        return False
    files = files_of(path)
    node, attributes = _root_of(files)
    if node not in ("array", "group"):
        return False
    is_packed = ATTRIBUTE in attributes and DIGESTS in attributes
    if node == "group" and not is_packed:
        return False
    own = _own_folders(node, attributes)
    others = sorted(key for key in _everything(path, files) if not _is_own(key, node, own))
    if others:
        raise InvalidArgument(
            f"{path} holds {others[0]}, which is no part of its array; nothing is replaced. "
            "Remove it yourself"
        )
    return True


def _root_of(files: Files) -> tuple[object, dict[str, Any]]:
    """Kind and attributes of the store itself."""
    found = _json(files.read("zarr.json"))
    if found:
        return found.get("node_type"), _dict(found.get("attributes"))
    if files.read(".zarray") is not None:
        return "array", _json(files.read(".zattrs"))
    return None, {}


def _json(data: bytes | None) -> dict[str, Any]:
    try:
        return _dict(json.loads(data or b"{}"))
    except (ValueError, RecursionError):
        return {}


def _dict(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _own_folders(node: object, attributes: dict[str, Any]) -> tuple[str, ...]:
    """Patterns of the folders in a store that are arrays or groups of its own."""
    own = [r"s[0-9]+", HEADER, rf"{attachments.NAME}(/[0-9]+)?"] if node == "group" else []
    if AIR in _dict(attributes.get(DIGESTS)):
        own.append(AIR)
    return tuple(own)


def _is_own(key: str, node: object, own: tuple[str, ...]) -> bool:
    if node == "array" and (_OF_ARRAY.fullmatch(key) or _FOLDERS.fullmatch(key)):
        return True
    if node == "group" and key == "zarr.json":
        return True
    return any(
        re.fullmatch(rf"{folder}(/({_OF_ARRAY.pattern}|{_FOLDERS.pattern}))?", key)
        for folder in own
    )


def _everything(path: Path, files: Files) -> set[str]:
    """Keys of all files, and of all folders, empty ones too."""
    keys = set(files.names())
    if path.is_dir():
        for folder, names, _ in os.walk(path):
            keys |= {Path(folder, name).relative_to(path).as_posix() for name in names}
    return keys
