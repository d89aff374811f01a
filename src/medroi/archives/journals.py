"""The journal of an archive, wherever the archive lies.

In a folder the segments are appended to where they lie. An object store has no appending: there
lines are collected for a few seconds and put as a small segment of their own. A whole run merges
small segments at its end.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from medroi.archives import journal
from medroi.archives.hashing import facts_in
from medroi.archives.keeping import Index, Known
from medroi.archives.place_local import LocalPlace
from medroi.archives.places import OWN, Place
from medroi.archives.records import Record
from medroi.errors import MedROIError

FOLDER = f"{OWN}/journal"
# Names of the segments, for places that cannot list a folder.
LIST = f"{OWN}/segments.txt"
# An object of so many records or seconds is put.
_BATCH_RECORDS, _BATCH_S = 256, 5.0
_OPEN_FILES = 32
# A segment is small beside those after it up to so many times their bytes.
_SMALL = 2
# Looks at a journal whose segments another run merges meanwhile.
_LOOKS = 5


class Journal:
    """Segments of the journal on a disk, the index of what they say, and the one that grows.

    Used as a context; the segments of an object store are copied to a folder for temporary files.
    """

    def __init__(self, place: Place, part: str = "", *, writes: bool = True) -> None:
        self._place, self._part, self._writes = place, part, writes
        self._is_temporary = not isinstance(place, LocalPlace)
        self._own: journal.SegmentFile | None = None
        self._own_name, self._n_batches, self._begun = "", 0, 0.0
        self._files: dict[str, IO[bytes]] = {}
        self.index = Index()

    def __enter__(self) -> Journal:
        try:
            self._open()
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        finally:
            if self._own is not None:
                self._own.close()
            self._clear()

    def add(self, record: Record) -> None:
        """Append a record."""
        if self._own is None:
            self._begin()
        assert self._own is not None
        found = record.to_json()
        start = self._own.add(found)
        self.index.add(found, (self._own_name, start))
        if self._is_temporary and (
            self._own.n_records >= _BATCH_RECORDS or time.monotonic() - self._begun > _BATCH_S
        ):
            self.flush()

    def flush(self) -> None:
        """Wait until all records are where they outlive this process."""
        if self._own is None:
            return
        if not self._is_temporary:
            self._own.flush()
            return
        self._own.close()
        self._own = None
        data = (self.folder / self._own_name).read_bytes()
        self._place.write(f"{FOLDER}/{self._own_name}", data)

    def record(self, path: str) -> Record:
        """The latest record of a path, from the journal."""
        known = self.index.get(path)
        assert known is not None
        return Record.of_json(self._line(known))

    def records(self) -> Iterator[Record]:
        """The latest record of every path, by path."""
        for _, known in self.index.items():
            yield Record.of_json(self._line(known))

    def _line(self, known: Known) -> dict[str, Any]:
        """A record as it was written, with what a later version may have added."""
        name, start = known.at
        if name not in self._files:
            if len(self._files) >= _OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            self._files[name] = open(self.folder / name, "rb")  # noqa: SIM115
        return journal.read_line(self._files[name], start)

    def _open(self) -> None:
        if isinstance(self._place, LocalPlace):
            self.folder = self._place.folder / FOLDER
            if self._writes:
                self.folder.mkdir(parents=True, exist_ok=True)
            self._names = self._listed()
        else:
            self.folder = Path(tempfile.mkdtemp(prefix="medroi-journal-"))
            self._names = self._fetched()
        for name in self._names:
            with open(self.folder / name, "rb") as file:
                shown = f"{self._place.url}/{FOLDER}/{name}"
                found = journal.read_segment(shown, file)
                self.index.add_all((record, (name, start)) for start, record in found)
        self._number = journal.next_number(self._names)

    def _fetched(self) -> list[str]:
        """Names of the segments of an object store, all of them copied to the folder."""
        for _ in range(_LOOKS):
            names = self._listed()
            fetched = (self._place.fetch(f"{FOLDER}/{name}", self.folder / name) for name in names)
            if all(fetched):
                return names
        raise MedROIError(
            f"{self._place.url}: the journal changed each time while it was read: a run ends just "
            "now; run the same command again"
        )

    def _listed(self) -> list[str]:
        try:
            names = self._place.names(FOLDER)
        except (NotImplementedError, OSError):
            names = []
        if not names:
            names = (self._place.read(LIST) or b"").decode().split()
        return sorted(name for name in names if journal.is_segment(name))

    def _begin(self) -> None:
        batch = f".{self._n_batches + 1:06d}" if self._is_temporary else ""
        name = journal.segment_name(self._number, f"{self._part}{batch}")
        self._n_batches += 1
        self._own_name, self._begun = name, time.monotonic()
        self._own = journal.SegmentFile(os.fspath(self.folder / name), self._number)
        self._names.append(name)

    def merge(self) -> None:
        """Merge small segments of an object store, and write the list of all; for whole runs.

        Merged are those of a few seconds, and those that are small beside all that is newer, so
        that a journal of any age has few, and a line is written again a few times at most. The
        merged one comes first and counts as the latest, then the list, then the others go: what a
        kill leaves between the two says the same twice.
        """
        old: set[str] = set()
        if self._is_temporary:
            self.flush()
            small = self._small()
            # One alone stays as it is.
            if len(small) > 1:
                old = set(small)
                self._write_merged(old)
        kept = [name for name in self._names if name not in old]
        self._place.write(LIST, "".join(f"{name}\n" for name in sorted(kept)).encode())
        for name in sorted(old):
            self._place.remove(f"{FOLDER}/{name}")
        self._names = kept

    def _small(self) -> list[str]:
        found: list[str] = []
        nbytes = 0
        for name in sorted(self._names, reverse=True):
            size = (self.folder / name).stat().st_size
            if journal.is_batch(name) or size <= _SMALL * nbytes:
                found.append(name)
                nbytes += size
        return found

    def _write_merged(self, old: set[str]) -> None:
        # After every batch of this run, and before those of the next.
        name = journal.segment_name(self._number)
        local = self.folder / name
        merged = journal.SegmentFile(os.fspath(local), self._number)
        try:
            for path, known in self.index.items():
                if known.at[0] in old:
                    self.index.move(path, (name, merged.add(self._line(known))))
        finally:
            merged.close()
        self._place.put(local, f"{FOLDER}/{name}", facts_in(local))
        self._names.append(name)

    def _clear(self) -> None:
        self.index.close()
        for file in self._files.values():
            file.close()
        if self._is_temporary and hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)
