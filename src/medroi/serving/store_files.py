"""The files of a packed scan as they are stored, read by ranges, and nothing beside them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from medroi.scans.stores.files import Files
from medroi.scans.stores.opened import Store
from medroi.serving.body import Body

_CONTENT_TYPE = "application/octet-stream"
# What keys of Zarr are made of: no place but the one that is meant can be named with it.
_KEY = re.compile(r"[A-Za-z0-9_+-][\w.+-]*(?:/[A-Za-z0-9_+-][\w.+-]*)*", re.ASCII)


class StoreFiles:
    """The files of an opened store; those of an HDF5 file are none.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._files: Files | None = store.files
        self._folder = (
            Path(store.path).resolve()
            if isinstance(store.path, Path) and store.path.is_dir()
            else None
        )

    def body(self, key: str) -> Body | None:
        """Find a file; None where there is none, or where it lies elsewhere, links followed."""
        files = self._files
        if files is None or not _KEY.fullmatch(key) or not self._is_inside(key):
            return None
        nbytes = files.nbytes(key)
        if nbytes is None:
            return None
        return Body(
            _CONTENT_TYPE, nbytes, lambda start, stop: files.read(key, start, stop - start) or b""
        )

    def metadata(self) -> dict[str, Any]:
        """Give what zarr.json of the store and of its levels hold, by their keys behind a slash.

        Raises
        ------
        ValueError
            For metadata that is no JSON: Python alone reads and writes NaN and Infinity there.
        """
        found: dict[str, Any] = {}
        for key in ("zarr.json", *_keys_of_levels(self._json("zarr.json"))):
            found[f"/{key}"] = self._json(key)
        return {key: value for key, value in found.items() if value is not None}

    def _is_inside(self, key: str) -> bool:
        """Whether a file of a folder lies in it, links followed; of other stores every one does."""
        if self._folder is None:
            return True
        try:
            file = (self._folder / key).resolve()
            return file.is_relative_to(self._folder) and file.is_file()
        except (OSError, RuntimeError):
            # A name too long, links that go round in a circle.
            return False

    def _json(self, key: str) -> Any:
        body = self.body(key)
        if body is None:
            return None
        return json.loads(body.piece(0, body.nbytes), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _keys_of_levels(root: Any) -> list[str]:
    """Where the levels of an OME-Zarr group have theirs; nowhere in an array."""
    try:
        datasets = root["attributes"]["ome"]["multiscales"][0]["datasets"]
        return [f"{dataset['path']}/zarr.json" for dataset in datasets]
    except (TypeError, LookupError):
        return []
