"""Whether an archive still holds what its journal says, and what the tree holds."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medroi.archives import manifest, marker
from medroi.archives.hashing import sha256_of
from medroi.archives.jobs import stores_of
from medroi.archives.journals import Journal
from medroi.archives.locks import is_in_use
from medroi.archives.places import Place, open_place
from medroi.archives.records import IN_DST, FileFacts, Record, digest_of
from medroi.archives.restore import at_hand, holder_of
from medroi.archives.summary import size_text
from medroi.archives.trees import Tree, open_tree
from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.scans.formats.names import printable
from medroi.scans.progress import bar
from medroi.working_memory import WorkingMemory, memory_of

_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class ArchiveCheck:
    """Records that were checked, and what is wrong.

    Attributes
    ----------
    n_checked, n_all : int
        Records with something in the archive: those that were read, and all.
    nbytes : int
        Bytes that were read.
    problems : tuple of (path, text)
    notes : tuple of str
    seconds : float
    """

    n_checked: int
    n_all: int
    nbytes: int
    problems: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """Return the report as a few lines of text."""
        whole = self.n_checked - len({path for path, _ in self.problems})
        lines = [
            f"{whole} of {self.n_checked} are whole ({size_text(self.nbytes)} read; "
            f"{self.n_all} in the archive), {self.seconds:.1f} s"
        ]
        lines += [f"  {printable(path)}: {text}" for path, text in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  and {len(self.problems) - _SHOWN} more")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def check_archive(
    place: str | Path,
    *,
    against: str | Path | None = None,
    sample: float = 1.0,
    progress: bool = False,
    place_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    memory: str | int | None = None,
) -> ArchiveCheck:
    """Read what is in an archive, decode every store, and compare with what was recorded.

    It takes no lock, so that a check of days keeps no run out, and an archive can be checked where
    it cannot be written to. A run or prune beside it may replace what is just being read: what does
    not agree is looked at again with the journal as it is at the end.

    Parameters
    ----------
    place : path or URL
    against : path or URL, optional
        The tree: its files, and the voxels of its scans, are compared too.
    sample : float
        Share of the records that are read, from 0 to 1; the same ones each time.
    progress : bool
        Show a progress bar on a terminal.
    place_options, source_options : mapping, optional
        As in `archive`.
    memory : str or int, optional
        As for `medroi.scans.check`.

    Raises
    ------
    InvalidArgument
        Where the place is no archive.
    CorruptStream
        Where the journal itself was damaged or edited.
    """
    began = time.monotonic()
    if not 0 < sample <= 1:
        raise InvalidArgument(f"--sample {sample} (sample=): expected a share above 0, up to 1")
    opened = open_place(os.fspath(place), place_options)
    marker.check(opened)
    tree = None if against is None else open_tree(os.fspath(against), source_options)
    if tree is not None:
        tree.check()
    looking = _Looking(opened, tree, memory_of(memory))
    problems: dict[str, _Problem] = {}
    notes: list[str] = []
    n_checked = n_all = nbytes = 0
    with Journal(opened, writes=False) as journal:
        if not manifest.is_unchanged(journal, opened):
            notes.append(
                "manifest.tsv is not what the journal says: it was edited, or a run was stopped; "
                "the next run writes it anew"
            )
        with bar(len(journal.index), "check", show=progress, unit="scan") as advance:
            for record in journal.records():
                advance(1)
                # Of what failed an earlier version may be there.
                if record.state not in IN_DST and not record.target:
                    continue
                n_all += 1
                if not _is_sampled(record.path, sample):
                    continue
                n_checked += 1
                text = looking.problem_of(record, journal)
                if text:
                    problems[record.path] = _Problem(record, text)
                else:
                    nbytes += record.stored_nbytes
    if problems:
        problems = _seen_again(problems, looking)
    if problems and is_in_use(opened):
        notes.append(
            "another command works on this archive: what it replaces just now may look damaged; "
            "check again when it has ended"
        )
    found = tuple((path, one.text) for path, one in problems.items())
    return ArchiveCheck(n_checked, n_all, nbytes, found, tuple(notes), time.monotonic() - began)


@dataclasses.dataclass(frozen=True)
class _Problem:
    """A record, and what is wrong with what it says."""

    record: Record
    text: str


@dataclasses.dataclass(frozen=True)
class _Looking:
    """An archive, the tree that it is compared with, and the memory for it."""

    place: Place
    tree: Tree | None
    memory: WorkingMemory

    def problem_of(self, record: Record, journal: Journal) -> str:
        """Check one record; what is wrong, nothing where it is whole."""
        copies: list[Path] = []
        try:
            holder = holder_of(journal, record)
            with contextlib.ExitStack() as stack:
                root = None
                if self.tree is not None and not record.pruned and record.state in IN_DST:
                    names = [one.name for one in record.sources]
                    root = stack.enter_context(self.tree.at_hand(names))
                    copies += [] if self.tree.is_local else [root]
                    check_source(record, root)
                stored = stack.enter_context(at_hand(record, holder, self.place))
                copies += [] if self.place.is_local else [stored.parent]
                check_stored(record, stored, root, self.memory)
        except (MedROIError, OSError) as error:
            text = " ".join(str(error).split())
            # Nobody finds a folder for temporary files that is gone again.
            for folder in copies:
                text = text.replace(f"{folder}{os.sep}", "")
            return text
        return ""


def _seen_again(problems: dict[str, _Problem], looking: _Looking) -> dict[str, _Problem]:
    """Problems that the journal of now still has: a run beside the check replaces stores."""
    left: dict[str, _Problem] = {}
    with Journal(looking.place, writes=False) as journal:
        for path, before in problems.items():
            now = journal.record(path)
            if now != before.record:
                text = looking.problem_of(now, journal) if now.target else ""
            else:
                text = before.text
            if text:
                left[path] = _Problem(now, text)
    return left


def _is_sampled(path: str, sample: float) -> bool:
    return zlib.crc32(path.encode("utf-8", "surrogateescape")) < sample * (1 << 32)


def check_stored(
    record: Record, stored: Path, root: Path | None, memory: WorkingMemory | None = None
) -> None:
    """Decode what is stored of a record and at hand, and compare it with a scan of the tree.

    Raises
    ------
    CorruptStream
        Where it is not what was packed.
    """
    from medroi.scans import check

    if record.kind == "file":
        return
    against = root / record.path if root is not None and record.kind == "scan" else None
    for store in stores_of(stored):
        check(store, against=against, memory=memory)


def check_source(record: Record, root: Path) -> None:
    """Compare the files of a record in the tree with what was recorded.

    Raises
    ------
    CorruptStream
        Where one is not there, or another.
    """
    found = []
    for one in record.sources:
        source = root / one.name
        if not source.is_file():
            raise CorruptStream(f"{source}: is not there any more")
        name = one.name.rpartition("/")[2]
        found.append(FileFacts(name, source.stat().st_size, sha256_of(source)))
    now = digest_of(found) if record.files else found[0].sha256
    if now != record.sha256:
        raise CorruptStream(f"{root / record.path}: has changed since it was archived")
