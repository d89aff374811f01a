"""A summary of the latest record of each path, in few bytes, from a journal of any length."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import ItemsView, Iterator, Mapping
from typing import Any


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
        self._users: dict[str, str | set[str]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def get(self, path: str) -> Known | None:
        """Summary of a path; None of one without a record."""
        return self._known.get(path)

    def add(self, found: Mapping[str, Any], at: tuple[str, int] = ("", 0)) -> None:
        """Take in a record as JSON values, later than all before; `at` is where it stands."""
        path, target = found["path"], found.get("target", "")
        before = self._known.get(path)
        if before is not None and before.target:
            self._leave(before.target, path)
        share = sys.intern
        self._known[path] = Known(
            share(found["state"]),
            share(found["kind"]),
            found.get("nbytes", 0),
            found.get("mtime_ns", 0),
            found.get("sha256", ""),
            share(found.get("settings", "")),
            target,
            found.get("n_files", 1),
            share(found.get("listing", "")),
            found.get("pruned", False),
            found.get("stored_nbytes", 0),
            at,
        )
        if target:
            self._join(target, path)

    def _join(self, target: str, path: str) -> None:
        # Nearly every target has one path: a set for each would be most of the memory.
        users = self._users.get(target)
        if users is None:
            self._users[target] = path
        else:
            self._users[target] = {path, *([users] if isinstance(users, str) else users)}

    def _leave(self, target: str, path: str) -> None:
        left = self.users_of(target) - {path}
        if left:
            self._users[target] = left
        else:
            self._users.pop(target, None)

    def users_of(self, target: str) -> set[str]:
        """The paths whose content is in a target."""
        users = self._users.get(target, set())
        return {users} if isinstance(users, str) else users

    def items(self) -> ItemsView[str, Known]:
        """Paths and their summaries, as they were first seen."""
        return self._known.items()
