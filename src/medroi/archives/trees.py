"""Trees that are archived: a folder, or whatever fsspec lists behind a URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from medroi.archives.items import Item, SkipSeries, Status
from medroi.archives.places import is_url
from medroi.archives.tree_local import LocalTree
from medroi.archives.urls import local_path


class Tree(Protocol):
    """Files by their paths relative to a root.

    Attributes
    ----------
    name : str
        Absolute path, or URL without a password: what the archive keeps.
    is_local : bool
    """

    name: str
    is_local: bool

    def check(self) -> None:
        """Refuse what is no folder. Raises `InvalidArgument`."""

    def items(self, suffix: str, skip_series: SkipSeries | None = None) -> Iterator[Item]:
        """Give everything in it, folders by name, files of a folder by name; see `items_of`."""

    def read(self, path: str) -> bytes | None:
        """All bytes of a small file; None where there is none."""

    def status(self, path: str) -> Status:
        """Size, time and token of a file. Raises `OSError` where there is none."""

    def at_hand(self, paths: Sequence[str]) -> AbstractContextManager[Path]:
        """A folder of this disk that has these files, under their paths.

        Raises `OSError` where one cannot be read, and `MedROIError` where the disk has no room.
        """


def open_tree(root: str, options: Mapping[str, Any] | None = None) -> Tree:
    """Open a tree by its path or URL.

    Parameters
    ----------
    root : str
        A folder, or a URL that fsspec knows and can list: ``s3://``, ``gs://``, ``https://`` with
        pages of links, ...; ``file://`` is a path.
    options : mapping, optional
        Of fsspec's file system.
    """
    path = local_path(root)
    if path is None and is_url(root):
        from medroi.archives.tree_remote import RemoteTree

        return RemoteTree(root, dict(options or {}))
    return LocalTree(root if path is None else path)
