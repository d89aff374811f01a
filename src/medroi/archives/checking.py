"""Whether an archive still holds what its journal says, and what the tree holds."""

from __future__ import annotations

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
from medroi.archives.places import open_place
from medroi.archives.records import COPIED, IN_DST, FileFacts, Record, digest_of
from medroi.archives.restore import at_hand, holder_of
from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.scans.formats.names import printable
from medroi.scans.progress import bar

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
            f"{whole} of {self.n_checked} are whole ({self.nbytes / 1e6:.1f} MB read; "
            f"{self.n_all} in the archive), {self.seconds:.1f} s"
        ]
        lines += [f"  {printable(path)}: {text}" for path, text in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"  and {len(self.problems) - _SHOWN} more")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def is_archive(place: str | Path, options: Mapping[str, Any] | None = None) -> bool:
    """Whether a path or URL is an archive."""
    try:
        return marker.read(open_place(os.fspath(place), options)) is not None
    except NotADirectoryError:
        return False


def check_archive(
    place: str | Path,
    *,
    against: str | Path | None = None,
    sample: float = 1.0,
    progress: bool = False,
    place_options: Mapping[str, Any] | None = None,
) -> ArchiveCheck:
    """Read what is in an archive, decode every store, and compare with what was recorded.

    Parameters
    ----------
    place : path or URL
    against : path, optional
        The tree: its files, and the voxels of its scans, are compared too.
    sample : float
        Share of the records that are read, from 0 to 1; the same ones each time.
    progress : bool
        Show a progress bar on a terminal.
    place_options : mapping, optional
        As in `archive`.

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
    problems: list[tuple[str, str]] = []
    notes: list[str] = []
    n_checked = n_all = nbytes = 0
    with Journal(opened, writes=False) as journal:
        if not manifest.is_unchanged(journal, opened):
            notes.append(
                "manifest.tsv is not what the journal says: it was edited, or a run was stopped; "
                "the next run writes it anew"
            )
        paths = sorted(journal.index)
        with bar(len(paths), "check", show=progress, unit="scan") as advance:
            for path in paths:
                advance(1)
                record = journal.record(path)
                if record.state not in IN_DST:
                    continue
                n_all += 1
                if not _is_sampled(path, sample):
                    continue
                n_checked += 1
                try:
                    root = None if against is None or record.pruned else Path(against)
                    holder = holder_of(journal, record)
                    if root is not None:
                        check_source(record, root)
                    with at_hand(record, holder, opened) as stored:
                        check_stored(record, stored, root)
                    nbytes += record.stored_nbytes
                except (MedROIError, OSError) as error:
                    problems.append((path, " ".join(str(error).split())))
    return ArchiveCheck(
        n_checked, n_all, nbytes, tuple(problems), tuple(notes), time.monotonic() - began
    )


def _is_sampled(path: str, sample: float) -> bool:
    return zlib.crc32(path.encode("utf-8", "surrogateescape")) < sample * (1 << 32)


def check_stored(record: Record, stored: Path, root: Path | None) -> None:
    """Decode what is stored of a record and at hand, and compare it with a scan of the tree.

    Raises
    ------
    CorruptStream
        Where it is not what was packed.
    """
    from medroi.scans import check

    if record.state == COPIED:
        return
    against = root / record.path if root is not None and record.kind == "scan" else None
    for store in stores_of(stored):
        check(store, against=against)


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
