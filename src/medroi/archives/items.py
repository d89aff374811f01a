"""The files of one folder of a tree, sorted: scans, DICOM series and other files.

A walker of a tree, on a disk or behind a URL, lists folders; what the files of a folder are is
decided here, by their names and by the first bytes of those whose names say nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from medroi.archives.companions import HEADER_SUFFIXES, scans_of_several_files
from medroi.archives.dicom_folders import Series, series_of
from medroi.archives.places import OWN
from medroi.archives.records import name_key
from medroi.scans import dicom as dicom_scans
from medroi.scans.formats import READERS, pair, suffix_of
from medroi.scans.formats.names import printable

# What version control keeps for itself: it makes it again, and it is as large as the tree.
VERSION_CONTROL = (".git", ".datalad", ".hg", ".svn")
# Names that this package writes at the top of an archive.
OURS = ("manifest.tsv", "manifest.parquet", "dataset_description.json", OWN)
# Path of a folder, token and paths of its DICOM files: its series, where all are known.
SkipSeries = Callable[[str, str, Sequence[str]], "list[Series] | None"]
# Of the token of some files; a series has that of its folder, and its own behind it.
TOKEN_LENGTH = 24
# Of the 255 bytes that file systems have; the rest is for what makes a name another one.
_MAX_NAME_NBYTES, _MAX_SUFFIX_LENGTH = 240, 16
_NO_DICOM = (".json", ".tsv", ".txt", ".bval", ".bvec", ".csv", ".md", ".py", ".m", ".html")


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """Size, time and token of a file, as its file system gives them.

    Attributes
    ----------
    nbytes, mtime_ns : int
        A time of 0 is unknown.
    token : str
        What else changes with its bytes: the ETag of an object; empty where there is nothing.
    """

    nbytes: int
    mtime_ns: int
    token: str = ""


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


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder that is to be walked: its own name, and its name in the archive."""

    path: str
    target: str


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a folder: its path, its name in the folder, and its status."""

    path: str
    name: str
    status: Status


class Headers(Protocol):
    """The first bytes of files of a tree, at hand on this disk when they were asked for."""

    top: Path

    def begins(self, paths: Sequence[str]) -> None:
        """Bring what tells the kind of a file, and the text of a header."""

    def dicom(self, paths: Sequence[str]) -> None:
        """Bring all that stands before the pixels of DICOM files."""


class Names:
    """Names of one folder of the archive, none of which differs from another by case or form only.

    Many file systems and programs take such names for one.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def own(self, name: str, else_name: str = "", suffix: str = "") -> str:
        """The name, the other one, or the name with a digest, before its suffix, where both are
        taken.
        """
        for wanted in (name, else_name, ""):
            with_digest = _with_digest(name.removesuffix(suffix), else_name or name)
            shown = _fitting(wanted or with_digest + suffix, suffix)
            key = name_key(shown)
            if key not in self._taken:
                break
        self._taken.add(key)
        return shown


def _with_digest(name: str, of: str) -> str:
    return f"{name}~{hashlib.sha256(os.fsencode(of)).hexdigest()[:8]}"


def _fitting(name: str, suffix: str) -> str:
    """A name as text that file systems take: a longer one is cut before its suffix."""
    shown = name if name.isascii() else printable(name)
    if len(os.fsencode(shown)) <= _MAX_NAME_NBYTES:
        return shown
    suffix = suffix or Path(shown).suffix[:_MAX_SUFFIX_LENGTH]
    cut = os.fsencode(shown)[: _MAX_NAME_NBYTES - len(os.fsencode(suffix)) - len("~01234567")]
    return _with_digest(cut.decode("utf-8", "ignore"), name) + suffix


def joined(folder: str, name: str) -> str:
    """A path below a folder of a tree, whose root is the empty text."""
    return f"{folder}/{name}" if folder else name


def order(name: str) -> bytes:
    """Names go by their bytes."""
    return os.fsencode(name)


def unreadable(path: str, error: Exception) -> Item:
    """A folder or file that could not be looked at."""
    why = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    text = f"{printable(path)}: cannot be read: {why}"
    return Item(path, "folder", text=text, error_class=type(error).__name__)


def items_of(
    folder: Folder,
    files: Sequence[File],
    names: Names,
    suffix: str,
    headers: Headers,
    skip_series: SkipSeries | None,
) -> Iterator[Item]:
    """Sort the files of a folder: series, scans and the rest, each file once.

    Parameters
    ----------
    folder : Folder
    files : sequence of File
        By name.
    names : Names
        Of the folder in the archive; those of its folders are taken.
    suffix : str
        Of stores: ``.ome.zarr``.
    headers : Headers
    skip_series : callable or None
        For the path of a folder, the token and the paths of its DICOM files the series that are
        known of it, so that its files need not be opened; None where they must be.
    """
    dicom: list[File] = []
    scans: list[tuple[File, str]] = []
    others: list[File] = []
    closed: list[File] = []
    by_name = {file.name: file for file in files}
    headers.begins([file.path for file in files if _says_little(file.name)])
    several = scans_of_several_files(headers.top / folder.path, by_name)
    data_files = {name for names_of_one in several.values() for name in names_of_one}
    for file in files:
        if file.name in data_files:
            continue
        known = _scan_suffix(file.name)
        if known is not None and not (known in pair.SUFFIXES and file.name not in several):
            scans.append((file, known))
        else:
            kinds = {True: dicom, False: others, None: closed}
            kinds[_may_be_dicom(headers.top / file.path, file.name)].append(file)
    # What cannot be opened beside slices may be one of them: their series are not whole then.
    (dicom or others).extend(closed)
    if dicom:
        series, no_images = _series(folder, dicom, names, suffix, headers, skip_series)
        others += no_images
        yield from series
    # Copies keep their names, so that they come before the names that stores are given.
    copies = []
    for file in sorted(others, key=lambda one: order(one.name)):
        ours = not folder.path and file.name in OURS
        target = names.own(f"{OWN}/kept/{file.name}" if ours else file.name)
        copies.append(_item("file", file.path, [file], joined(folder.target, target)))
    for file, known in scans:
        target = names.own(file.name[: -len(known)] + suffix, file.name + suffix, suffix)
        together = [file, *(by_name[name] for name in several.get(file.name, ()))]
        yield _item("scan", file.path, together, joined(folder.target, target))
    yield from copies


def _item(kind: str, path: str, files: Sequence[File], target: str, listing: str = "") -> Item:
    # Of one file on a disk, size and time say as much.
    says_more = listing or len(files) > 1 or files[0].status.token
    return Item(
        path,
        kind,
        tuple(file.path for file in files),
        sum(file.status.nbytes for file in files),
        max(file.status.mtime_ns for file in files),
        target,
        listing=listing + _listing(files) if says_more else "",
    )


def _scan_suffix(name: str) -> str | None:
    return suffix_of(Path(name), READERS)


def _says_little(name: str) -> bool:
    """Whether the first bytes of a file have to be looked at."""
    known = _scan_suffix(name)
    is_text_header = name.lower().endswith(HEADER_SUFFIXES)
    return is_text_header or (
        (known is None or known in pair.SUFFIXES) and not name.lower().endswith(_NO_DICOM)
    )


def _may_be_dicom(path: Path, name: str) -> bool | None:
    """Whether a file says that it is DICOM; of names that others have none is opened.

    None of a file that cannot be opened.
    """
    if name.lower().endswith(_NO_DICOM):
        return False
    try:
        return dicom_scans.is_dicom(path)
    except OSError:
        return None


def _series(
    folder: Folder,
    dicom: Sequence[File],
    names: Names,
    suffix: str,
    headers: Headers,
    skip_series: SkipSeries | None,
) -> tuple[list[Item], list[File]]:
    """Items of the series of a folder, and the DICOM files of it that hold no image."""
    listing = _listing(dicom)
    paths = [file.path for file in dicom]
    found = None if skip_series is None else skip_series(folder.path, listing, paths)
    if found is None:
        headers.dicom(paths)
        found = series_of(headers.top, paths)
    by_path = {file.path: file for file in dicom}
    items = []
    for one in found:
        target = joined(folder.target, names.own(one.name + suffix, suffix=suffix))
        files = [by_path[path] for path in one.files]
        items.append(_item("dicom", joined(folder.path, one.name), files, target, listing))
    used = {path for one in found for path in one.files}
    return items, [file for file in dicom if file.path not in used]


def _listing(files: Sequence[File]) -> str:
    total = hashlib.sha256()
    for file in files:
        status = file.status
        more = f" {status.token}" if status.token else ""
        total.update(f"{file.path!r} {status.nbytes} {status.mtime_ns}{more}\n".encode())
    return total.hexdigest()[:TOKEN_LENGTH]
