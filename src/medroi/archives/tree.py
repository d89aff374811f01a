"""A tree of scans, DICOM series and other files, every file of it once.

A link to a file is that file. A link to a folder is followed where that folder lies outside of the
tree and has not been walked yet; else it is a link. So no loop of links is walked twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from medroi.archives.companions import scans_of_several_files
from medroi.archives.dicom_folders import Series, series_of
from medroi.archives.places import OWN
from medroi.errors import InvalidArgument
from medroi.scans import dicom as dicom_scans
from medroi.scans.formats import READERS, pair, suffix_of
from medroi.scans.formats.names import printable

# What version control keeps for itself: it makes it again, and it is as large as the tree.
_VERSION_CONTROL = (".git", ".datalad", ".hg", ".svn")
# Names that this package writes at the top of an archive.
_OURS = ("manifest.tsv", "manifest.parquet", "dataset_description.json", OWN)
# Path of a folder and listing of its DICOM files: its series, where they are known.
SkipSeries = Callable[[str, str], "list[Series] | None"]
_NO_DICOM = (".json", ".tsv", ".txt", ".bval", ".bvec", ".csv", ".md", ".py", ".m", ".html")


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One thing that stands in a tree.

    Attributes
    ----------
    path, kind : str
        As in `Record`.
    files : tuple of str
        Names relative to the root; of kind "scan" and "file" the path alone.
    nbytes, mtime_ns : int
        Sum and latest of the files.
    target : str
        Name in the archive.
    text : str
        Of a link where it points to; of what cannot be read, why.
    listing : str
        As in `Record`.
    error_class : str
        Of what cannot be read.
    n_files : int
        Of `files`; of a folder of version control, the files below it, which are not walked.
    """

    path: str
    kind: str
    files: tuple[str, ...] = ()
    nbytes: int = 0
    mtime_ns: int = 0
    target: str = ""
    text: str = ""
    listing: str = ""
    error_class: str = ""
    n_files: int = 0

    def __post_init__(self) -> None:
        if self.files:
            object.__setattr__(self, "n_files", len(self.files))


@dataclasses.dataclass
class _Folder:
    """A folder that is to be walked: its own names, and its name in the archive."""

    path: str
    target: str


def walk(root: str | Path, suffix: str, skip_series: SkipSeries | None = None) -> Iterator[Item]:
    """Give everything in a tree, folders by name, files of a folder by name.

    Parameters
    ----------
    root : path
    suffix : str
        Of stores: ``.ome.zarr``.
    skip_series : callable, optional
        For the path of a folder and the listing of its DICOM files the items that are known of it,
        so that its files need not be opened; None where they must be.

    Raises
    ------
    InvalidArgument
        Where the root is no folder, or cannot be read.
    """
    top = Path(root)
    if not top.is_dir():
        raise InvalidArgument(f"{top}: expected a folder; it does not exist or is a file")
    real_root = os.path.realpath(top)
    seen: set[tuple[int, int]] = set()
    stack = [_Folder("", "")]
    while stack:
        folder = stack.pop()
        entries = _entries(top, folder.path, is_root=not folder.path)
        if isinstance(entries, OSError):
            yield _unreadable(folder.path, entries)
            continue
        inside = _Names(() if folder.path else _OURS)
        folders, files = [], []
        status = os.stat(top / folder.path)
        seen.add((status.st_dev, status.st_ino))
        for name in entries:
            path = f"{folder.path}/{name}" if folder.path else name
            found = _look(f"{top}/{path}", path, real_root, seen)
            if isinstance(found, Item):
                yield found
            elif stat.S_ISDIR(found.st_mode) and name in _VERSION_CONTROL:
                count = sum(len(names) for _, _, names in os.walk(f"{top}/{path}"))
                yield Item(path, "listed", n_files=count, text="version control")
            elif stat.S_ISDIR(found.st_mode):
                folders.append((path, name))
            else:
                files.append((path, name, found))
        # The stack gives the last first; names are given in order.
        deeper = [_Folder(path, _joined(folder.target, inside.own(name))) for path, name in folders]
        stack += reversed(deeper)
        yield from _files(top, folder, files, inside, suffix, skip_series)


def _entries(top: Path, path: str, *, is_root: bool) -> list[str] | OSError:
    try:
        return sorted(os.listdir(top / path), key=_order)
    except OSError as error:
        if is_root:
            raise InvalidArgument(f"{top}: cannot be read: {error.strerror}") from error
        return error


def _order(name: str) -> bytes:
    return os.fsencode(name)


def _unreadable(path: str, error: OSError) -> Item:
    text = f"{printable(path)}: cannot be read: {error.strerror or error}"
    return Item(path, "folder", text=text, error_class=type(error).__name__)


def _look(
    full: str, path: str, real_root: str, seen: set[tuple[int, int]]
) -> Item | os.stat_result:
    """The status of a folder or file; an item for what is neither, or is not to be followed."""
    try:
        found = os.lstat(full)
    except OSError as error:
        return _unreadable(path, error)
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
    real = os.path.realpath(full)
    within = real == real_root or real.startswith(real_root + os.sep)
    if not stat.S_ISDIR(status.st_mode):
        return Item(path, "special", (path,), 0, found.st_mtime_ns, text="no ordinary file")
    if within or (status.st_dev, status.st_ino) in seen or real_root.startswith(real + os.sep):
        return Item(path, "link", (path,), 0, found.st_mtime_ns, text=points_to)
    seen.add((status.st_dev, status.st_ino))
    return status


class _Names:
    """Names of one folder of the archive, none of which differs from another by case or form only.

    Many file systems and programs take such names for one.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def own(self, name: str, else_name: str = "") -> str:
        """The name, the other one, or the name with a digest where that is taken too."""
        for wanted in (name, else_name, ""):
            wanted = wanted or _with_digest(name, else_name or name)
            shown = wanted if wanted.isascii() else printable(wanted)
            key = unicodedata.normalize("NFC", shown).casefold()
            if key not in self._taken:
                break
        self._taken.add(key)
        return shown


def _with_digest(name: str, of: str) -> str:
    return f"{name}~{hashlib.sha256(os.fsencode(of)).hexdigest()[:8]}"


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _files(
    top: Path,
    folder: _Folder,
    files: list[tuple[str, str, os.stat_result]],
    names: _Names,
    suffix: str,
    skip_series: SkipSeries | None,
) -> Iterator[Item]:
    dicom: list[tuple[str, os.stat_result]] = []
    scans: list[tuple[str, str, str]] = []
    others: list[tuple[str, str, os.stat_result]] = []
    status = {name: found for _, name, found in files}
    several = scans_of_several_files(top / folder.path, status)
    data_files = {name for names_of_one in several.values() for name in names_of_one}
    for path, name, found in files:
        if name in data_files:
            continue
        known = suffix_of(Path(name), READERS)
        if known is not None and not (known in pair.SUFFIXES and name not in several):
            scans.append((path, name, known))
        elif _may_be_dicom(top / path, name):
            dicom.append((path, found))
        else:
            others.append((path, name, found))
    if dicom:
        series, no_images = _series(top, folder, dicom, names, suffix, skip_series)
        others += [(path, os.path.basename(path), found) for path, found in no_images]
        yield from series
    # Copies keep their names, so that they come before the names that stores are given.
    copies = []
    for path, name, found in sorted(others, key=lambda one: _order(one[1])):
        ours = not folder.path and name in _OURS
        target = names.own(f"{OWN}/kept/{name}" if ours else name)
        copies.append(_item(path, "file", found, _joined(folder.target, target)))
    for path, name, known in scans:
        target = names.own(name[: -len(known)] + suffix, name + suffix)
        item = _item(path, "scan", status[name], _joined(folder.target, target))
        more = several.get(name, ())
        if not more:
            yield item
            continue
        yield dataclasses.replace(
            item,
            files=(path, *(_joined(folder.path, one) for one in more)),
            nbytes=item.nbytes + sum(status[one].st_size for one in more),
            mtime_ns=max([item.mtime_ns, *(status[one].st_mtime_ns for one in more)]),
        )
    yield from copies


def _item(path: str, kind: str, found: os.stat_result, target: str) -> Item:
    return Item(path, kind, (path,), found.st_size, found.st_mtime_ns, target)


def _may_be_dicom(path: Path, name: str) -> bool:
    """Whether a file says that it is DICOM; of names that others have none is opened."""
    if name.lower().endswith(_NO_DICOM):
        return False
    try:
        return dicom_scans.is_dicom(path)
    except OSError:
        return False


def _series(
    top: Path,
    folder: _Folder,
    dicom: list[tuple[str, os.stat_result]],
    names: _Names,
    suffix: str,
    skip_series: SkipSeries | None,
) -> tuple[list[Item], list[tuple[str, os.stat_result]]]:
    """Items of the series of a folder, and the DICOM files of it that hold no image."""
    listing = _listing(dicom)
    found = None if skip_series is None else skip_series(folder.path, listing)
    if found is None:
        found = series_of(top, [path for path, _ in dicom])
    by_path = dict(dicom)
    items = []
    for one in found:
        facts = [by_path[path] for path in one.files]
        items.append(
            Item(
                _joined(folder.path, one.name),
                "dicom",
                one.files,
                sum(status.st_size for status in facts),
                max(status.st_mtime_ns for status in facts),
                _joined(folder.target, names.own(one.name + suffix)),
                listing=listing,
            )
        )
    used = {path for one in found for path in one.files}
    return items, [(path, status) for path, status in dicom if path not in used]


def _listing(files: list[tuple[str, os.stat_result]]) -> str:
    total = hashlib.sha256()
    for path, found in files:
        total.update(f"{path!r} {found.st_size} {found.st_mtime_ns}\n".encode())
    return total.hexdigest()[:24]
