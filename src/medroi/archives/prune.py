"""Originals that an archive holds, deleted after a fresh check."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medroi.archives import manifest, marker
from medroi.archives.checking import check_source, check_stored
from medroi.archives.hashing import sha256_of
from medroi.archives.journals import Journal
from medroi.archives.locks import locked
from medroi.archives.places import OWN, open_place
from medroi.archives.records import IN_DST, FileFacts, Record
from medroi.archives.restore import CONTENTS, EXACT, at_hand, holder_of, restore_stored
from medroi.archives.summary import size_text
from medroi.archives.tree_local import LocalTree
from medroi.archives.trees import open_tree
from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.scans.formats.names import printable
from medroi.working_memory import memory_of


@dataclasses.dataclass(frozen=True)
class PruneReport:
    """Originals that were deleted, or would be.

    Attributes
    ----------
    is_dry : bool
        Whether nothing was deleted.
    n_files, nbytes : int
        Originals that were deleted, or would be, and their bytes.
    n_inexact : int
        Of these, files of which the archive does not give back the very bytes.
    kept : tuple of (path, text)
        What stays, and why.
    written : str
        The list of what was deleted, in the archive.
    seconds : float
    """

    is_dry: bool
    n_files: int
    nbytes: int
    n_inexact: int
    kept: tuple[tuple[str, str], ...]
    written: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """Return the report as a few lines of text."""
        verb = "would delete" if self.is_dry else "deleted"
        lines = [f"{verb} {self.n_files} files, {size_text(self.nbytes)}"]
        if self.n_inexact:
            lines.append(
                f"of {self.n_inexact} of them the archive gives back the kept voxels or the same "
                "contents, not the very bytes"
            )
        lines += [f"  kept: {printable(path)}: {text}" for path, text in self.kept]
        if self.is_dry:
            lines.append("nothing was deleted: --yes (yes=True) does it")
        else:
            lines.append(f"the list: {self.written}")
        return "\n".join([*lines, f"{self.seconds:.1f} s"])


def prune(
    place: str | Path,
    source: str | Path,
    *,
    yes: bool = False,
    only_exact: bool = True,
    place_options: Mapping[str, Any] | None = None,
    memory: str | int | None = None,
) -> PruneReport:
    """Delete originals that an archive holds, each after its store was read, decoded and compared.

    Parameters
    ----------
    place : path or URL
        The archive.
    source : path
        The tree.
    yes : bool
        Delete; else only say what would be deleted.
    only_exact : bool
        Keep originals of which the archive does not give back the very bytes.
    place_options : mapping, optional
        As in `archive`.
    memory : str or int, optional
        As for `medroi.scans.check`.

    Raises
    ------
    InvalidArgument
        Where the place is no archive, or that of another tree.
    InUse
        Where a run works on it.
    """
    began = time.monotonic()
    opened = open_place(os.fspath(place), place_options)
    marker.check(opened)
    tree = open_tree(os.fspath(source))
    if not isinstance(tree, LocalTree):
        raise InvalidArgument(
            f"{source}: prune deletes files of a disk alone: a store could not be made to delete "
            "an object only while it has the bytes that were checked. Compare with medroi check "
            "DST --against SRC, then delete by the tools or the rules of the store"
        )
    root = tree.top
    if not root.is_dir():
        raise InvalidArgument(f"{source}: expected the folder that was archived")
    marker.claim(opened, tree.name, moved=False)
    working = memory_of(memory)
    kept: list[tuple[str, str]] = []
    deleted: list[str] = []
    nbytes = n_inexact = n_files = 0
    written = f"{OWN}/pruned-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tsv"
    with locked(opened), Journal(opened) as journal:
        for record in _in_order(journal, tree):
            present = [one for one in record.sources if os.path.lexists(root / one.name)]
            if record.state not in IN_DST or (record.pruned and not present):
                continue
            path = record.path
            try:
                before = [tree.status(one.name) for one in present]
                _check_within(present, root)
                if record.pruned:
                    # The rest of what an earlier prune deleted, which was stopped.
                    _check_files(present, root)
                else:
                    check_source(record, root)
                holder = holder_of(journal, record)
                with (
                    at_hand(record, holder, opened) as stored,
                    tempfile.TemporaryDirectory(prefix="medroi-prune-") as folder,
                ):
                    check_stored(record, stored, None if record.pruned else root, working)
                    back = list(restore_stored(record, stored, Path(folder), working))
                inexact = [one for one in back if one.how != EXACT]
                if inexact and only_exact:
                    worst = next(
                        (one.how for one in inexact if one.how == CONTENTS), inexact[0].how
                    )
                    kept.append((path, f"the archive gives back {worst}, not its very bytes"))
                    continue
                if [tree.status(one.name) for one in present] != before:
                    raise CorruptStream(f"{path}: changed while it was checked")
            except (MedROIError, OSError) as error:
                kept.append((path, " ".join(str(error).split())))
                continue
            n_files, n_inexact = n_files + len(present), n_inexact + len(inexact)
            nbytes += sum(one.nbytes for one in present)
            if yes:
                # The journal first: a file is never gone without a line that says so.
                journal.add(dataclasses.replace(record, pruned=True))
                journal.flush()
                for one in present:
                    (root / one.name).unlink()
                    deleted.append(f"{one.name}\t{one.nbytes}\t{one.sha256}")
        if yes:
            opened.write(written, _list(deleted))
            manifest.write(journal, opened)
            journal.merge()
    return PruneReport(
        not yes, n_files, nbytes, n_inexact, tuple(kept), written, time.monotonic() - began
    )


def _in_order(journal: Journal, tree: LocalTree) -> Iterator[Record]:
    """Every record; those of links to files first, since a link without its file is nothing."""
    linked = set()
    for path, known in journal.index.items():
        is_one = known.n_files == 1 and known.kind != "dicom"
        names = [path] if is_one else [one.name for one in journal.record(path).sources]
        if any(os.path.islink(tree.top / name) for name in names):
            linked.add(path)
            yield journal.record(path)
    yield from (journal.record(path) for path in journal.index.paths() if path not in linked)


def _check_within(files: Sequence[FileFacts], root: Path) -> None:
    """Refuse files behind a link to a folder outside of the tree, which others may use."""
    real = os.path.realpath(root)
    for one in files:
        parent = Path(os.path.realpath((root / one.name).parent))
        if not parent.is_relative_to(real):
            raise InvalidArgument(f"lies outside of the tree, in {parent}, behind a link")


def _check_files(files: Sequence[FileFacts], root: Path) -> None:
    for one in files:
        if sha256_of(root / one.name) != one.sha256:
            raise CorruptStream(f"{root / one.name}: has changed since it was archived")


def _list(deleted: list[str]) -> bytes:
    text = "".join(f"{line}\n" for line in ["path\tnbytes\tsha256", *deleted])
    return text.encode("utf-8", "backslashreplace")
