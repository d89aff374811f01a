"""Records: what became of one scan, or of one other file, of a tree."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PureWindowsPath
from typing import Any

from medroi.system import IS_WINDOWS

# States, and those of what is in DST.
STORED, DUPLICATE, COPIED = "stored", "duplicate", "copied"
LISTED, LINK, FAILED, GONE = "listed", "link", "failed", "gone"
IN_DST = (STORED, DUPLICATE, COPIED)


@dataclasses.dataclass(frozen=True, slots=True)
class FileFacts:
    """Name, size and SHA-256 of one file.

    Of a source the name is relative to the root of the tree, of a store to the store; a store that
    is one file has the name ``""``.
    """

    name: str
    nbytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Record:
    """The fate of one scan, or of one other file.

    Attributes
    ----------
    path : str
        Relative to the root of the tree: a file, a link, or a folder and a DICOM series of it.
    kind : str
        ``"scan"``, ``"dicom"``, ``"file"``, or what else stood there: ``"link"``, ``"folder"``,
        ``"special"``.
    state : {"stored", "duplicate", "copied", "listed", "link", "failed", "gone"}
        A duplicate has the content of a scan that is stored, and that one's target. Gone is what
        failed, and is not in the tree any more.
    n_files, nbytes : int
        Files, and their bytes (bytes in).
    mtime_ns : int
        The latest of their times of change.
    sha256 : str
        Of a file's bytes; of several files, of their names and digests.
    files : tuple of FileFacts
        Of a source of several files, and of a DICOM series, also one of a single file.
    target : str
        The store or file, relative to DST.
    stored_nbytes, stored_sha256, stored_files
        The same of what is in DST.
    settings : str
        Token of the settings that it was packed with.
    versions : dict
        Of medroi, numpy and zarr.
    region : tuple of (int, int) or None
        Box of what is kept, half-open, per axis.
    kept_share : float or None
        Share of the voxels inside the region.
    n_dropped_signal : int or None
        Signal voxels outside it.
    largest_dropped_group : int or None
        Voxels of the largest connected group of them.
    seconds : float
        By the clock.
    peak_nbytes : int or None
        The most memory that the work took over what the process held before.
    error_class, error : str
        Of what failed.
    notes : tuple of str
    text : str
        The target of a link.
    listing : str
        Token of names, sizes, times and ETags as the tree listed them, by which the next run knows
        that nothing has changed: of several files, and of files behind a URL. A DICOM series has
        that of all DICOM files of its folder before its own.
    pruned : bool
        Whether the original was deleted, after a check.
    """

    path: str
    kind: str
    state: str
    n_files: int = 1
    nbytes: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    files: tuple[FileFacts, ...] = ()
    target: str = ""
    stored_nbytes: int = 0
    stored_sha256: str = ""
    stored_files: tuple[FileFacts, ...] = ()
    settings: str = ""
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    region: tuple[tuple[int, int], ...] | None = None
    kept_share: float | None = None
    n_dropped_signal: int | None = None
    largest_dropped_group: int | None = None
    seconds: float = 0.0
    peak_nbytes: int | None = None
    error_class: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()
    text: str = ""
    listing: str = ""
    pruned: bool = False

    @property
    def sources(self) -> tuple[FileFacts, ...]:
        """Every file of the source, with its name relative to the root of the tree."""
        return self.files or (FileFacts(self.path, self.nbytes, self.sha256),)

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON values."""
        found = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != _DEFAULTS.get(field.name, _NOTHING):
                found[field.name] = value
        for name in ("files", "stored_files"):
            if name in found:
                found[name] = [[one.name, one.nbytes, one.sha256] for one in found[name]]
        return found

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> Record:
        """Read what `to_json` gave; fields of a later version are passed over."""
        known = {name: value for name, value in found.items() if name in _NAMES}
        for name in ("files", "stored_files"):
            if name in known:
                known[name] = tuple(FileFacts(*one) for one in known[name])
        if known.get("region") is not None:
            known["region"] = tuple((int(start), int(stop)) for start, stop in known["region"])
        if "notes" in known:
            known["notes"] = tuple(known["notes"])
        return cls(**known)


_NOTHING = object()
_DEFAULTS: dict[str, Any] = {
    field.name: field.default if field.default is not dataclasses.MISSING else {}
    for field in dataclasses.fields(Record)
    if not (field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)
}
_NAMES = {field.name for field in dataclasses.fields(Record)}


def name_key(name: str) -> str:
    """A key that names share where many file systems and programs take them for one."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def leads_out(name: str, *, on_windows: bool = IS_WINDOWS) -> bool:
    """Whether a name, relative to a folder, leads out of it; what it names may be removed."""
    if on_windows:
        path = PureWindowsPath(name)
        return bool(path.anchor) or ".." in path.parts
    return name.startswith("/") or ".." in name.split("/")


def digest_of(files: Iterable[FileFacts]) -> str:
    """Digest of several files: of their names, sizes and digests, in the order of the names."""
    total = hashlib.sha256()
    for one in sorted(files, key=lambda one: one.name):
        total.update(json.dumps([one.name, one.nbytes, one.sha256]).encode())
    return total.hexdigest()
