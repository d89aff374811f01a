"""The files of a packed scan as they are stored, read by ranges, and nothing beside them."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

from medroi.serving.body import Body

_CONTENT_TYPE = "application/octet-stream"
# What keys of Zarr are made of: no place of a URL but the one that is meant can be named with it.
_KEY = re.compile(r"[A-Za-z0-9_+-][\w.+-]*(?:/[A-Za-z0-9_+-][\w.+-]*)*", re.ASCII)


class StoreFiles:
    """Files below a folder, or below a URL.

    Parameters
    ----------
    source : str
        As for `medroi.open`.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._remote = None
        if "://" in source:
            self._remote = importlib.import_module("medroi.zarr.remote").open_url(source, None)

    def body(self, key: str) -> Body | None:
        """Find a file; None where there is none, or where it lies elsewhere, links followed."""
        if self._remote is not None:
            return self._remote_body(key)
        root = Path(self._source).resolve()
        try:
            file = (root / key).resolve()
            nbytes = file.stat().st_size
            if not root.is_dir() or not file.is_relative_to(root) or not file.is_file():
                return None
        except (OSError, ValueError, RuntimeError):
            # Nothing there, a name too long, a null byte, links that go round in a circle.
            return None

        def read(start: int, stop: int) -> bytes:
            with file.open("rb") as opened:
                opened.seek(start)
                return opened.read(stop - start)

        return Body(_CONTENT_TYPE, nbytes, read)

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

    def _json(self, key: str) -> Any:
        body = self.body(key)
        if body is None:
            return None
        return json.loads(body.piece(0, body.nbytes), parse_constant=_refuse_constant)

    def _remote_body(self, key: str) -> Body | None:
        remote = importlib.import_module("medroi.zarr.remote")
        if not _KEY.fullmatch(key):
            return None
        files = remote.RemoteFiles(self._remote)
        nbytes = files.nbytes(key)
        if nbytes is None:
            return None
        return Body(_CONTENT_TYPE, nbytes, lambda start, stop: files.read(key, start, stop - start))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _keys_of_levels(root: Any) -> list[str]:
    """Where the levels of an OME-Zarr group have theirs; nowhere in an array."""
    try:
        datasets = root["attributes"]["ome"]["multiscales"][0]["datasets"]
        return [f"{dataset['path']}/zarr.json" for dataset in datasets]
    except (TypeError, LookupError):
        return []
