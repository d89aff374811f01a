"""A summary of the latest record of each path, in bounded memory, from a journal of any length.

The summaries lie in a temporary database of SQLite, which is in memory while it is small and in the
folder for temporary files when it is not; it has no name there and ends with its process.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medroi.archives.records import STORED, name_key
from medroi.errors import CorruptStream, MedROIError

_CACHE_KIB = 1 << 15
_ROWS_AT_ONCE = 1000
# Equal scans that are asked for at a time; the others are found when the run ends.
_MAX_EQUAL = 256
_COLUMNS = (
    "state, kind, nbytes, mtime_ns, sha256, settings, target, n_files, listing, pruned, "
    "stored_nbytes, segment, start"
)
_TABLE = """
CREATE TABLE known (
    path BLOB UNIQUE, state BLOB, kind BLOB, nbytes INTEGER, mtime_ns INTEGER, sha256 BLOB,
    settings BLOB, target BLOB, n_files INTEGER, listing BLOB, pruned INTEGER,
    stored_nbytes INTEGER, segment INTEGER, start INTEGER, folder BLOB
)"""
_STORED = f"state = CAST('{STORED}' AS BLOB)"
_INDEXES = (
    "CREATE INDEX by_target ON known (folded(target)) WHERE target != x''",
    f"CREATE INDEX by_size ON known (nbytes) WHERE {_STORED}",
    "CREATE INDEX by_folder ON known (folder) WHERE folder IS NOT NULL",
)
# Made when it is first asked: digests have no order, and would be written all over the database.
_BY_CONTENT = f"CREATE INDEX IF NOT EXISTS by_content ON known (sha256, settings) WHERE {_STORED}"
_NAMES = f"path, {_COLUMNS}, folder"
_ADD = (
    f"INSERT INTO known ({_NAMES}) VALUES ({', '.join('?' * len(_NAMES.split(',')))}) "
    "ON CONFLICT (path) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in f"{_COLUMNS}, folder".split(", "))
)

Place = tuple[str, int]


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
    at: Place


@dataclasses.dataclass(frozen=True, slots=True)
class Total:
    """Records of one state, their files, and the bytes of these in the tree and in the archive."""

    state: str
    n_records: int
    n_files: int
    nbytes: int
    stored_nbytes: int


class Index:
    """The latest record of every path: a summary here, the rest stays in the journal.

    Paths come in the order of their characters' code points, whatever is added meanwhile.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._segments: list[str] = []
        self._numbers: dict[str, int] = {}
        self._database.create_function("folded", 1, _folded, deterministic=True)
        for text in (
            f"PRAGMA cache_size = -{_CACHE_KIB}",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            _TABLE,
            *_INDEXES,
            "BEGIN",
        ):
            self._ask(text)

    def close(self) -> None:
        """Give the database up."""
        self._database.close()

    def __len__(self) -> int:
        return int(self._ask("SELECT count(*) FROM known")[0][0])

    def get(self, path: str) -> Known | None:
        """Summary of a path; None of one without a record."""
        found = self._ask(f"SELECT {_COLUMNS} FROM known WHERE path = ?", _bytes(path))
        return self._known(found[0]) if found else None

    def add(self, found: Mapping[str, Any], at: Place = ("", 0)) -> None:
        """Take in a record as JSON values, later than all before; `at` is where it stands."""
        self.add_all([(found, at)])

    def add_all(self, records: Iterable[tuple[Mapping[str, Any], Place]]) -> None:
        """Take in records, each later than all before it.

        Raises
        ------
        CorruptStream
            Where the values of one are not those of a record.
        """
        try:
            self._database.executemany(_ADD, (self._row(found, at) for found, at in records))
        except sqlite3.Error as error:
            raise _failed(error) from error

    def move(self, path: str, at: Place) -> None:
        """Say where the record of a path stands now."""
        text = "UPDATE known SET segment = ?, start = ? WHERE path = ?"
        self._ask(text, self._number(at[0]), at[1], _bytes(path))

    def items(self, state: str = "") -> Iterator[tuple[str, Known]]:
        """Paths and their summaries, by path: all, or those in one state."""
        chosen = "AND state = ?" if state else ""
        text = (
            f"SELECT path, {_COLUMNS} FROM known WHERE path > ? {chosen} "
            f"ORDER BY path LIMIT {_ROWS_AT_ONCE}"
        )
        values = (_bytes(state),) if state else ()
        last = b""
        while found := self._ask(text, last, *values):
            for row in found:
                yield _text(row[0]), self._known(row[1:])
            last = found[-1][0]

    def paths(self) -> Iterator[str]:
        """Every path, in order."""
        return (path for path, _ in self.items())

    def users_of(self, target: str) -> set[str]:
        """The paths whose content is in a target."""
        if not target:
            return set()
        return {path for path, of_path in self._near(target) if of_path == target}

    def _near(self, target: str) -> list[tuple[str, str]]:
        """Paths and their targets that some file systems take for one target."""
        text = "SELECT path, target FROM known WHERE folded(target) = ? AND target != x''"
        found = self._ask(text, _folded(_bytes(target)))
        return [(_text(path), _text(of_path)) for path, of_path in found]

    def clash_of(self, target: str, path: str) -> str:
        """A target, or the folder that it lies in, where another path's content is.

        A target itself clashes also with what lies below it. Names that differ by case or by
        Unicode form only are one to many file systems, and clash. Empty where nothing clashes.
        """
        names = target.split("/")
        above = ["/".join(names[: n + 1]) for n in range(len(names))]
        for name in above:
            if any(other != path for other, _ in self._near(name)):
                return name
        found = self._ask(
            "SELECT path FROM known WHERE folded(target) > ? AND folded(target) < ? "
            "AND target != x'' AND path != ? LIMIT 1",
            _folded(_bytes(f"{target}/")),
            _folded(_bytes(f"{target}{chr(ord('/') + 1)}")),
            _bytes(path),
        )
        return target if found else ""

    def equal_before(self, path: str, nbytes: int, settings: str) -> dict[str, str]:
        """By SHA-256 the targets of stored scans of one size and settings, before a path."""
        found = self._ask(
            "SELECT sha256, target FROM known WHERE nbytes = ? AND settings = ? AND path < ? "
            f"AND {_STORED} ORDER BY rowid DESC LIMIT {_MAX_EQUAL}",
            nbytes,
            _bytes(settings),
            _bytes(path),
        )
        return {_text(sha256): _text(target) for sha256, target in reversed(found)}

    def stored_twice(self) -> Iterator[list[str]]:
        """Paths, in order, of scans that are stored with the same content and settings."""
        self._ask(_BY_CONTENT)
        found = self._ask(
            f"SELECT sha256, settings FROM known WHERE {_STORED} "
            "GROUP BY sha256, settings HAVING count(*) > 1"
        )
        text = f"SELECT path FROM known WHERE sha256 = ? AND settings = ? AND {_STORED}"
        for content in found:
            yield sorted(_text(path) for (path,) in self._ask(text, *content))

    def target_of(self, sha256: str, settings: str) -> str | None:
        """The target of a stored scan with some content and settings; None where there is none."""
        self._ask(_BY_CONTENT)
        text = f"SELECT target FROM known WHERE sha256 = ? AND settings = ? AND {_STORED}"
        found = self._ask(f"{text} ORDER BY path LIMIT 1", _bytes(sha256), _bytes(settings))
        return _text(found[0][0]) if found else None

    def series_in(self, folder: str) -> list[tuple[str, Known]]:
        """Paths and summaries of the DICOM series of a folder."""
        text = f"SELECT path, {_COLUMNS} FROM known WHERE folder = ? ORDER BY path"
        found = self._ask(text, _bytes(folder))
        return [(_text(row[0]), self._known(row[1:])) for row in found]

    def totals(self) -> list[Total]:
        """Sums of each state."""
        found = self._ask(
            "SELECT state, count(*), sum(n_files), sum(nbytes), sum(stored_nbytes) FROM known "
            "GROUP BY state"
        )
        return [Total(_text(state), *sums) for state, *sums in found]

    def _ask(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise _failed(error) from error

    def _row(self, found: Mapping[str, Any], at: Place) -> Sequence[Any]:
        try:
            path, kind, listing = found["path"], found["kind"], found.get("listing", "")
            is_series = kind == "dicom" and listing
            row = (
                _bytes(path),
                _bytes(found["state"]),
                _bytes(kind),
                int(found.get("nbytes", 0)),
                int(found.get("mtime_ns", 0)),
                _bytes(found.get("sha256", "")),
                _bytes(found.get("settings", "")),
                _bytes(found.get("target", "")),
                int(found.get("n_files", 1)),
                _bytes(listing),
                bool(found.get("pruned", False)),
                int(found.get("stored_nbytes", 0)),
                self._number(at[0]),
                at[1],
                _bytes(path.rpartition("/")[0]) if is_series else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptStream(f"{at[0]}: byte {at[1]} begins no record of medroi") from error
        if not all(-(1 << 63) <= value < 1 << 63 for value in row if isinstance(value, int)):
            raise CorruptStream(f"{at[0]}: byte {at[1]} begins no record of medroi")
        return row

    def _number(self, segment: str) -> int:
        """A number for the name of a segment, which each row would hold otherwise."""
        if segment not in self._numbers:
            self._numbers[segment] = len(self._segments)
            self._segments.append(segment)
        return self._numbers[segment]

    def _known(self, row: Sequence[Any]) -> Known:
        state, kind, nbytes, mtime_ns, sha256, settings, target, n_files, listing, *rest = row
        pruned, stored_nbytes, segment, start = rest
        return Known(
            _text(state),
            _text(kind),
            nbytes,
            mtime_ns,
            _text(sha256),
            _text(settings),
            _text(target),
            n_files,
            _text(listing),
            bool(pruned),
            stored_nbytes,
            (self._segments[segment], start),
        )


def _folded(target: bytes) -> bytes:
    return _bytes(name_key(_text(target)))


def _bytes(text: str) -> bytes:
    # Names that are no text have characters that UTF-8 proper does not know.
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _failed(error: sqlite3.Error) -> MedROIError:
    return MedROIError(
        f"the index of the journal, in the folder for temporary files, failed ({error}); where the "
        "disk is full, make room or name another folder by TMPDIR"
    )
