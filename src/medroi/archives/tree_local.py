"""A tree on a disk, every file of it once.

A link to a file is that file. A link to a folder is followed where that folder lies outside of the
tree and has not been walked yet; else it is a link. So no loop of links is walked twice.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from medroi.archives.items import (
    OURS,
    VERSION_CONTROL,
    File,
    Folder,
    Item,
    Names,
    SkipSeries,
    Status,
    items_of,
    joined,
    order,
    unreadable,
)
from medroi.errors import InvalidArgument
from medroi.scans.formats.names import printable


class LocalTree:
    """A folder; see `Tree`."""

    is_local = True

    def __init__(self, root: str | Path) -> None:
        self.name = os.path.abspath(root)
        self.top = Path(self.name)

    def check(self) -> None:
        """See `Tree`."""
        if not self.top.is_dir():
            raise InvalidArgument(
                f"{self.name}: expected a folder of scans; it is not there or a file"
            )

    def items(self, suffix: str, skip_series: SkipSeries | None = None) -> Iterator[Item]:
        """See `Tree`."""
        return walk(self.top, suffix, skip_series)

    def read(self, path: str) -> bytes | None:
        """See `Tree`."""
        try:
            return (self.top / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def status(self, path: str) -> Status:
        """See `Tree`."""
        found = os.stat(self.top / path)
        return Status(found.st_size, found.st_mtime_ns, str(found.st_ino))

    @contextlib.contextmanager
    def at_hand(self, paths: Sequence[str]) -> Iterator[Path]:
        """See `Tree`."""
        yield self.top


class _Headers:
    """Files of a disk are at hand."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def begins(self, paths: Sequence[str]) -> None:
        """See `Headers`."""

    def dicom(self, paths: Sequence[str]) -> None:
        """See `Headers`."""


def walk(root: str | Path, suffix: str, skip_series: SkipSeries | None = None) -> Iterator[Item]:
    """Give everything in a tree, folders by name, files of a folder by name.

    Parameters
    ----------
    root : path
    suffix : str
        Of stores: ``.ome.zarr``.
    skip_series : callable, optional
        As for `items_of`.

    Raises
    ------
    InvalidArgument
        Where the root is no folder, or cannot be read.
    """
    top = Path(root)
    if not top.is_dir():
        raise InvalidArgument(f"{top}: expected a folder; it does not exist or is a file")
    real_root = Path(os.path.realpath(top))
    seen: set[tuple[int, int]] = set()
    stack, headers = [Folder("", "")], _Headers(top)
    while stack:
        folder = stack.pop()
        try:
            entries = sorted(os.listdir(top / folder.path), key=order)
            status = os.stat(top / folder.path)
        except OSError as error:
            if not folder.path:
                raise InvalidArgument(f"{top}: cannot be read: {error.strerror}") from error
            yield unreadable(folder.path, error)
            continue
        inside = Names(() if folder.path else OURS)
        folders: list[tuple[str, str]] = []
        files: list[File] = []
        seen.add((status.st_dev, status.st_ino))
        for name in entries:
            path = joined(folder.path, name)
            found = _look(f"{top}/{path}", path, real_root, seen)
            if isinstance(found, Item):
                yield found
            elif stat.S_ISDIR(found.st_mode) and name in VERSION_CONTROL:
                count = sum(len(names) for _, _, names in os.walk(f"{top}/{path}"))
                yield Item(path, "listed", n_files=count, text="version control")
            elif stat.S_ISDIR(found.st_mode):
                folders.append((path, name))
            else:
                files.append(File(path, name, Status(found.st_size, found.st_mtime_ns)))
        # The stack gives the last first; names are given in order.
        deeper = [Folder(path, joined(folder.target, inside.own(name))) for path, name in folders]
        stack += reversed(deeper)
        yield from items_of(folder, files, inside, suffix, headers, skip_series)


def _look(
    full: str, path: str, real_root: Path, seen: set[tuple[int, int]]
) -> Item | os.stat_result:
    """The status of a folder or file; an item for what is neither, or is not to be followed."""
    try:
        found = os.lstat(full)
    except OSError as error:
        return unreadable(path, error)
    if not stat.S_ISLNK(found.st_mode):
        if stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode):
            return found
        return Item(path, "special", (path,), 0, found.st_mtime_ns, text="no ordinary file")
    points_to = os.readlink(full)
    try:
        status = os.stat(full)
    except OSError as error:
        text = (
            f"{printable(path)}: a link to {printable(points_to)}, which is not there or cannot be "
            f"read ({error.strerror}); where git-annex has the content elsewhere: datalad get"
        )
        return Item(path, "link", (path,), text=text, error_class="BrokenLink")
    if stat.S_ISREG(status.st_mode):
        return status
    if not stat.S_ISDIR(status.st_mode):
        return Item(path, "special", (path,), 0, found.st_mtime_ns, text="no ordinary file")
    real = Path(os.path.realpath(full))
    overlaps = real.is_relative_to(real_root) or real_root.is_relative_to(real)
    if overlaps or (status.st_dev, status.st_ino) in seen:
        return Item(path, "link", (path,), 0, found.st_mtime_ns, text=points_to)
    seen.add((status.st_dev, status.st_ino))
    return status
