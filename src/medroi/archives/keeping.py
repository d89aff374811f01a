"""A summary of the latest record of each path, in few bytes, from a journal of any length."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

from medroi.archives.records import DUPLICATE, STORED, Record


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """As much of a record as decides whether its path has to be done again."""

    state: str
    kind: str
    nbytes: int
    mtime_ns: int
    sha256: str
    settings: str
    target: str
    n_files: int
    listing: str
    pruned: bool
    stored_nbytes: int
    at: tuple[str, int]


class Index:
    """The latest record of every path: a summary here, the rest stays in the journal."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._users: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def get(self, path: str) -> Known | None:
        """Summary of a path; None of one without a record."""
        return self._known.get(path)

    def add(self, record: Record, at: tuple[str, int] = ("", 0)) -> None:
        """Take in a record, which is later than all before; `at` is where it stands."""
        before = self._known.get(record.path)
        if before is not None and before.target:
            self._users[before.target].discard(record.path)
        share = sys.intern
        self._known[record.path] = Known(
            share(record.state),
            share(record.kind),
            record.nbytes,
            record.mtime_ns,
            record.sha256,
            share(record.settings),
            record.target,
            record.n_files,
            share(record.listing),
            record.pruned,
            record.stored_nbytes,
            at,
        )
        if record.target:
            self._users.setdefault(record.target, set()).add(record.path)

    def users_of(self, target: str) -> set[str]:
        """The paths whose content is in a target."""
        return self._users.get(target, set())

    def stored(self) -> Iterator[tuple[str, Known]]:
        """Paths with a store: their own, or that of an equal scan."""
        for path, known in self._known.items():
            if known.state in (STORED, DUPLICATE):
                yield path, known
