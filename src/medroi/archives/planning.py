"""Plan of a run: what of a tree is missing, changed or failed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medroi.archives.dicom_folders import Series
from medroi.archives.items import TOKEN_LENGTH, Item
from medroi.archives.jobs import Job
from medroi.archives.journals import Journal
from medroi.archives.keeping import Known
from medroi.archives.records import (
    COPIED,
    DUPLICATE,
    FAILED,
    GONE,
    LINK,
    LISTED,
    STORED,
    Record,
)
from medroi.archives.settings import SUFFIXES, Settings
from medroi.scans.formats import READERS, suffix_of


@dataclasses.dataclass
class Plan:
    """Items of a tree by what has to be done with them.

    Attributes
    ----------
    todo : list of Item
        To be packed or copied.
    records : list of Record
        Of what needs no work: links, listed files, what cannot be read.
    n_done, done_nbytes : int
        Items that an earlier run has done, and their bytes.
    n_files : int
        Files of all items.
    """

    todo: list[Item] = dataclasses.field(default_factory=list)
    records: list[Record] = dataclasses.field(default_factory=list)
    n_done: int = 0
    done_nbytes: int = 0
    n_files: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of what has to be done."""
        return sum(item.nbytes for item in self.todo)

    def kinds(self) -> Counter[str]:
        """Number of each kind that has to be done."""
        return Counter(item.kind for item in self.todo)


class Planner:
    """Compares a tree with what the journal knows of it."""

    def __init__(
        self, journal: Journal, settings: Settings, is_there: Callable[[str], bool], *, rehash: bool
    ) -> None:
        self._journal, self._index = journal, journal.index
        self._settings, self._is_there = settings, is_there
        self._rehash, self._token = rehash, settings.token

    def plan(self, items: Iterator[Item], is_ours: Callable[[str], bool] | None = None) -> Plan:
        """Sort the items of a tree.

        Parameters
        ----------
        items : iterator of Item
        is_ours : callable, optional
            Whether a path belongs to the part of the tree that the items are.
        """
        plan, unseen, closed = Plan(), set(self._failed(is_ours)), []
        for item in items:
            plan.n_files += item.n_files
            unseen.discard(item.path)
            if item.kind == "folder":
                closed.append(f"{item.path}/" if item.path else "")
            record = self._without_work(item)
            if record is not None:
                known = self._index.get(item.path)
                if record.state == FAILED or not self._is_same(item, known, record):
                    plan.records.append(record)
                else:
                    plan.n_done += 1
            elif not self._rehash and self._is_done(item):
                plan.n_done += 1
                plan.done_nbytes += item.nbytes
            else:
                plan.todo.append(item)
        # Of a folder that cannot be read now nothing is known.
        plan.records += (
            self._gone(path) for path in sorted(unseen) if not path.startswith(tuple(closed))
        )
        # What is more than a thousandth of the whole comes first, the largest first: no process is
        # left with a large scan when the others have ended. The rest goes by path, neighbours on
        # the disk. Equal scans go by path either way: the first of them is the one that is stored.
        large = plan.nbytes / 1000
        plan.todo.sort(key=lambda item: (-item.nbytes if item.nbytes > large else 0, item.path))
        return plan

    def _failed(self, is_ours: Callable[[str], bool] | None) -> Iterator[str]:
        paths = (path for path, _ in self._index.items(FAILED))
        return paths if is_ours is None else filter(is_ours, paths)

    def _gone(self, path: str) -> Record:
        """The record of what failed and is not in the tree any more."""
        before = self._journal.record(path)
        if not before.target:
            return Record(path=path, kind=before.kind, state=GONE, n_files=0)
        # Of an earlier version, which is in the archive.
        state = STORED if before.stored_files else DUPLICATE
        state = COPIED if before.kind == "file" else state
        return dataclasses.replace(before, state=state, error_class="", error="")

    def _without_work(self, item: Item) -> Record | None:
        facts: dict[str, Any] = {
            "path": item.path,
            "kind": item.kind,
            "n_files": item.n_files,
            "nbytes": item.nbytes,
            "mtime_ns": item.mtime_ns,
        }
        if item.error_class:
            return Record(**facts, state=FAILED, error_class=item.error_class, error=item.text)
        if item.kind == "link":
            return Record(**facts, state=LINK, text=item.text)
        if item.kind in ("listed", "special"):
            return Record(**facts, state=LISTED, text=item.text)
        known = self._index.get(item.path)
        # What was copied once goes on to be.
        if self._settings.others == "list" and item.kind == "file" and not _is_copied(known):
            return Record(**facts, state=LISTED, text="no scan")
        return None

    def _is_same(self, item: Item, known: Known | None, record: Record) -> bool:
        if known is not None and item.text == "version control":
            # Its files come and go with every command; that it is not copied stays true.
            return known.state == record.state
        return known is not None and (known.state, known.nbytes, known.mtime_ns) == (
            record.state,
            record.nbytes,
            record.mtime_ns,
        )

    def _is_done(self, item: Item) -> bool:
        known = self._index.get(item.path)
        if known is None or (known.kind != item.kind and not _was_packed_before(item, known)):
            return False
        if known.pruned and self._is_rest(item):
            return True
        if (known.nbytes, known.mtime_ns) != (item.nbytes, item.mtime_ns):
            return False
        if _own_token(known.listing) != _own_token(item.listing):
            return False
        if known.kind == "file":
            return known.state == COPIED and self._is_there(known.target)
        return known.n_files == len(item.files) and self._is_held(known)

    def _is_rest(self, item: Item) -> bool:
        """Whether the files of a series are those that a prune which was stopped left of it."""
        sources = {one.name: one.nbytes for one in self._journal.record(item.path).sources}
        if not set(item.files) < set(sources):
            return False
        return sum(sources[name] for name in item.files) == item.nbytes

    def _is_held(self, known: Known) -> bool:
        """Whether the content of a record is stored with these settings."""
        return (
            known.settings == self._token
            and (known.state == STORED or (known.state == DUPLICATE and self._has_owner(known)))
            and self._is_there(known.target)
        )

    def _has_owner(self, known: Known) -> bool:
        """Whether a scan with the content of a duplicate is still stored where that says."""
        owners = (self._index.get(path) for path in self._index.users_of(known.target))
        return any(
            one is not None
            and (one.state, one.sha256, one.settings) == (STORED, known.sha256, known.settings)
            for one in owners
        )

    def known_series(self, folder: str, listing: str, paths: Sequence[str]) -> list[Series] | None:
        """The series of a folder, where every file in it is as it was when all were done."""
        found = []
        for path, known in self._index.series_in(folder):
            if known.listing[:TOKEN_LENGTH] != listing:
                continue
            if known.state not in (STORED, DUPLICATE):
                return None
            record = self._journal.record(path)
            found.append(Series(path.rpartition("/")[2], tuple(f.name for f in record.files)))
        # Of the series of a folder a run that was stopped, or one part, may have done only some.
        of_series = {name for one in found for name in one.files}
        for path in of_series.symmetric_difference(paths):
            other = self._index.get(path)
            if path in of_series or other is None or other.kind != "file":
                return None
        return sorted(found, key=lambda one: one.name)

    def job(
        self,
        item: Item,
        root: str,
        place: str,
        options: Mapping[str, Any],
        root_options: Mapping[str, Any] | None = None,
    ) -> Job:
        """The job of an item, at the time when it is begun."""
        known = self._index.get(item.path)
        stored: dict[str, str] = {}
        if item.kind != "file":
            stored = self._index.equal_before(item.path, item.nbytes, self._token)
            if known is not None and self._is_held(known):
                stored[known.sha256] = known.target
        return Job(
            root=root,
            path=item.path,
            kind=item.kind,
            files=item.files,
            place=place,
            target=self._target(item, known),
            copied_as=self._name_of_copy(item, known) if item.kind == "scan" else "",
            settings=self._settings,
            place_options=options,
            stored=stored,
            listing=item.listing,
            root_options=root_options or {},
            nbytes=item.nbytes,
            mtime_ns=item.mtime_ns,
        )

    def _target(self, item: Item, known: Known | None) -> str:
        """A name in the archive that holds the content of no other path, nor lies in one that does.

        What was in the tree once stays in the archive: a file may be where a folder was, and a
        folder where a file was.
        """
        own = known.target if known is not None and known.target else item.target
        suffix = next((one for one in SUFFIXES if own.endswith(one)), "")
        if item.kind != "file" and suffix != self._settings.suffix:
            own = item.target  # that of another layout
        target = own if self._is_free(own, item) else item.target
        while clash := self._index.clash_of(target, item.path):
            # All that lies in one folder has the same new one.
            of = clash if clash != target else f"{item.path!r} {item.mtime_ns}"
            target = _with_digest(clash, of) + target[len(clash) :]
        return target

    def _name_of_copy(self, item: Item, known: Known | None) -> str:
        """A name for a scan that turns out to be packed already."""
        copied = known if known is not None and known.kind == "file" else None
        return self._target(_as_copy(item, self._settings.suffix), copied)

    def _is_free(self, target: str, item: Item) -> bool:
        return not self._index.clash_of(target, item.path)


def _with_digest(path: str, of: str) -> str:
    """A path whose last name has a digest behind its stem."""
    folder, slash, name = path.rpartition("/")
    stem, dot, rest = name.partition(".")
    digest = hashlib.sha256(of.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{folder}{slash}{stem}~{digest}{dot}{rest}"


def _was_packed_before(item: Item, known: Known) -> bool:
    """Whether a scan was copied as it is, since it was packed before it came into the tree."""
    return (item.kind, known.kind, known.state) == ("scan", "file", COPIED)


def _as_copy(item: Item, suffix: str) -> Item:
    """A scan as a file of its own suffix; beside others of the folder its stem is its own."""
    own_suffix = suffix_of(Path(item.path), READERS) or ""
    target = item.target.removesuffix(suffix) + own_suffix
    return dataclasses.replace(item, kind="file", target=target)


def _is_copied(known: Known | None) -> bool:
    return known is not None and known.kind == "file" and bool(known.target)


def _own_token(listing: str) -> str:
    """Of the token of a series what is of its own files; else all of it."""
    return listing[-TOKEN_LENGTH:]
