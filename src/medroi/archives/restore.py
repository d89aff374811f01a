"""The tree, or a part of it, back from an archive."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from medroi.archives import marker
from medroi.archives.hashing import sha256_of
from medroi.archives.jobs import stores_of
from medroi.archives.journals import Journal
from medroi.archives.places import Place, open_place
from medroi.archives.records import GONE, IN_DST, LINK, FileFacts, Record, leads_out
from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.scans.formats.names import printable
from medroi.scans.sources.returned import SAME_CONTENTS, ReturnedFile
from medroi.scans.stores.durable import rename_new
from medroi.scans.stores.staging import workspace
from medroi.system import IS_WINDOWS, sync
from medroi.working_memory import WorkingMemory, memory_of

Memory = str | int | WorkingMemory | None

_SHOWN = 10
# A path of an archive has / alone between its names.
_NO_WINDOWS_NAME = '<>:"\\|?*'
EXACT, CONTENTS = "the very bytes", "the kept voxels"
SAME = "the same contents, not compressed in the same way"


@dataclasses.dataclass(frozen=True)
class Restored:
    """A file that was written.

    Attributes
    ----------
    path : str
        Relative to the tree.
    how : str
        "the very bytes" of the original (its SHA-256 is the same); "the same contents, not
        compressed in the same way", SHA-256 of the contents checked; "the kept voxels" of a scan
        of which voxels outside the region were dropped; or "link".
    """

    path: str
    how: str


@dataclasses.dataclass(frozen=True)
class RestoreReport:
    """Files that were restored, and those that could not be.

    Attributes
    ----------
    n_exact, n_same, n_contents, n_links : int
        Files with the very bytes of the original, files with its contents that are not compressed
        in the same way, files of which only the kept voxels came back, and links.
    not_exact : tuple of str
        Paths of the second and the third kind.
    failures : tuple of (path, text)
    n_absent : int
        Records of what the archive does not hold: listed files and what failed.
    seconds : float
    """

    n_exact: int
    n_same: int
    n_contents: int
    n_links: int
    not_exact: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]
    n_absent: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """Return the report as a few lines of text."""
        lines = [f"{self.n_exact} files with the very bytes of the original"]
        if self.n_same:
            lines.append(
                f"{self.n_same} files with the same contents, not compressed in the same way"
            )
        if self.n_contents:
            lines.append(f"{self.n_contents} files with the kept voxels, not the very bytes")
        lines += [f"  {printable(path)}" for path in self.not_exact[:_SHOWN]]
        if self.n_links:
            lines.append(f"{self.n_links} links")
        if self.n_absent:
            lines.append(f"{self.n_absent} are not in the archive (listed or failed)")
        lines += [f"  failed: {printable(path)}: {text}" for path, text in self.failures]
        return "\n".join([*lines, f"{self.seconds:.1f} s"])


def restore(
    place: str | Path,
    folder: str | Path,
    paths: Sequence[str] = (),
    *,
    place_options: Mapping[str, Any] | None = None,
    memory: Memory = None,
) -> RestoreReport:
    """Write the files of an archive back, under their names and with their times.

    Parameters
    ----------
    place : path or URL
        The archive.
    folder : path
        Where the tree is written; made if it is not there. A file that is there is kept, and is a
        failure unless it has the very bytes.
    paths : sequence of str
        Files, folders and patterns (``sub-01/*``) of the tree; none is all of it.
    place_options : mapping, optional
        As in `archive`.
    memory : str or int, optional
        As for `medroi.scans.unpack`.

    Raises
    ------
    InvalidArgument
        Where the place is no archive, or a path names nothing in it.
    """
    began = time.monotonic()
    opened = open_place(os.fspath(place), place_options)
    marker.check(opened)
    target = Path(folder)
    memory_of(memory)  # refused before anything is written
    done: list[Restored] = []
    failures: list[tuple[str, str]] = []
    n_absent = 0
    with Journal(opened, writes=False) as journal:
        chosen = _chosen(journal, paths)
        target.mkdir(parents=True, exist_ok=True)
        for path in chosen:
            record = journal.record(path)
            if record.state == GONE:
                continue
            if record.state not in (*IN_DST, LINK) and not record.target:
                n_absent += 1
                continue
            try:
                holder = holder_of(journal, record)
                done += restore_record(record, holder, opened, target, memory)
            except (MedROIError, OSError) as error:
                failures.append((path, " ".join(str(error).split())))
    return RestoreReport(
        n_exact=sum(one.how == EXACT for one in done),
        n_same=sum(one.how == SAME for one in done),
        n_contents=sum(one.how == CONTENTS for one in done),
        n_links=sum(one.how == "link" for one in done),
        not_exact=tuple(one.path for one in done if one.how in (SAME, CONTENTS)),
        failures=tuple(failures),
        n_absent=n_absent,
        seconds=time.monotonic() - began,
    )


def _chosen(journal: Journal, paths: Sequence[str]) -> list[str]:
    known = list(journal.index.paths())
    if not paths:
        return known
    found: set[str] = set()
    for wanted in paths:
        stem = wanted.rstrip("/")
        matches = [
            path
            for path in known
            if path == stem or path.startswith(f"{stem}/") or fnmatch.fnmatchcase(path, wanted)
        ]
        if not matches:
            raise InvalidArgument(
                f"{wanted}: nothing of this name in the archive; see manifest.tsv"
            )
        found.update(matches)
    return sorted(found)


def holder_of(journal: Journal, record: Record) -> Record:
    """The record with the store: that of an equal scan where the record is a duplicate."""
    if record.stored_files or record.kind not in ("scan", "dicom"):
        return record
    for path in sorted(journal.index.users_of(record.target)):
        other = journal.record(path)
        if other.stored_files and other.sha256 == record.sha256:
            return other
    raise CorruptStream(f"{record.path}: the journal knows no store with its content")


def at_hand(record: Record, holder: Record, place: Place) -> AbstractContextManager[Path]:
    """A record's entry of the archive on this disk, every byte of it checked; see `Place`."""
    if record.kind == "file":
        facts = FileFacts("", record.stored_nbytes, record.stored_sha256)
        return place.at_hand(record.target, [facts])
    return place.at_hand(holder.target, holder.stored_files)


def restore_record(
    record: Record,
    holder: Record,
    place: Place,
    folder: Path,
    memory: Memory = None,
) -> Iterator[Restored]:
    """Write the files of one record into a folder.

    Parameters
    ----------
    record : Record
    holder : Record
        The one with the store; see `holder_of`.
    place : Place
    folder : Path
    memory : str or int, optional
        As for `medroi.scans.unpack`.

    Raises
    ------
    CorruptStream
        Where the archive does not give back what it holds.
    InvalidArgument
        Where another file has the name.
    """
    if record.state == LINK:
        target = _inside(folder, record.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.is_symlink() and os.readlink(target) == record.text):
            target.symlink_to(record.text)
        yield Restored(record.path, "link")
        return
    with at_hand(record, holder, place) as stored:
        yield from restore_stored(record, stored, folder, memory)


def restore_stored(
    record: Record, stored: Path, folder: Path, memory: Memory = None
) -> Iterator[Restored]:
    """Write the files of a record that is at hand; otherwise as `restore_record`."""
    with workspace(folder / "restore") as work:
        for made, facts, how in _made(record, stored, work, memory):
            is_exact = bool(facts.sha256) and sha256_of(made) == facts.sha256
            if record.kind == "file" and not is_exact:
                raise CorruptStream(f"{record.target}: not the bytes that were copied")
            os.utime(made, ns=(record.mtime_ns, record.mtime_ns))
            sync(made)
            target = _inside(folder, facts.name)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as error:
                raise _in_the_way(target, "a file") from error
            is_new = rename_new(made, target)
            if is_new:
                sync(target.parent)
            elif target.is_dir():
                raise _in_the_way(target, "a folder")
            elif sha256_of(target) != sha256_of(made):
                raise InvalidArgument(f"{target}: there is another file of this name; it is kept")
            yield Restored(facts.name, EXACT if is_exact else how)


def _in_the_way(target: Path, what: str) -> InvalidArgument:
    return InvalidArgument(
        f"{target}: {what} of another time has its name or that of its folder, and is kept; "
        "restore this path into another folder"
    )


def _inside(folder: Path, name: str, *, on_windows: bool = IS_WINDOWS) -> Path:
    """A path below a folder; names of a journal that lead out of it are refused."""
    if leads_out(name, on_windows=on_windows):
        raise CorruptStream(f"{name}: a name that leads out of the folder; the journal was edited")
    if on_windows and set(name) & set(_NO_WINDOWS_NAME):
        raise InvalidArgument(
            f"{name}: a name that Windows does not have, with one of {_NO_WINDOWS_NAME}; restore "
            "this path on another system"
        )
    return folder / name


def _made(
    record: Record, stored: Path, work: Path, memory: Memory
) -> Iterator[tuple[Path, FileFacts, str]]:
    """The files of a record on this disk, each with the facts of its original, and what it is of
    it where it has not its bytes.
    """
    from medroi.scans import unpack

    if record.kind == "file":
        copied = work / "copy"
        shutil.copyfile(stored, copied)
        yield copied, record.sources[0], CONTENTS
        return
    files = work / "files"
    files.mkdir()
    if not record.files:
        made = files / record.path.rpartition("/")[2]
        report = unpack(stored, made, memory=memory)
        yield made, record.sources[0], _of_original(report.files)[made.name]
        return
    originals = {one.name.rpartition("/")[2]: one for one in record.files}
    stores = stores_of(stored)
    how: dict[str, str] = {}
    # Refused where it was packed without what gives its files back.
    with contextlib.suppress(InvalidArgument):
        for store in stores:
            how.update(_of_original(unpack(store, files, memory=memory).files))
    unpacked = {one.name: one for one in files.rglob("*") if one.is_file()}
    if set(unpacked) == set(originals):
        for name, one in sorted(originals.items()):
            yield unpacked[name], one, how.get(name, CONTENTS)
        return
    for number, store in enumerate(stores, 1):
        label = f"-{number}" if len(stores) > 1 else ""
        unpack(store, work / f"volume{label}.nii.gz", memory=memory)
        named = FileFacts(f"{record.path}{label}.nii.gz", 0, "")
        yield work / f"volume{label}.nii.gz", named, CONTENTS


def _of_original(files: Sequence[ReturnedFile]) -> dict[str, str]:
    """By name, what each file is of its original where it has not its very bytes."""
    return {
        one.name.rpartition("/")[2]: SAME if one.outcome == SAME_CONTENTS else CONTENTS
        for one in files
    }
