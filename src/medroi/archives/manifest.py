"""The manifest: a line for everything in the tree, by path; the same whoever did the work."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from medroi.archives.hashing import facts_in
from medroi.archives.journals import Journal
from medroi.archives.places import Place
from medroi.archives.records import FileFacts, Record
from medroi.errors import CorruptStream
from medroi.scans.formats.names import printable

NAME, PARQUET = "manifest.tsv", "manifest.parquet"
COLUMNS = (
    "path",
    "state",
    "kind",
    "n_files",
    "nbytes",
    "sha256",
    "target",
    "stored_nbytes",
    "stored_sha256",
    "settings",
    "medroi",
    "region",
    "kept_share",
    "n_dropped_signal",
    "largest_dropped_group",
    "pruned",
    "error_class",
    "error",
)
# Of the table; all others are text.
_TYPES = {
    "n_files": "int64",
    "nbytes": "int64",
    "stored_nbytes": "int64",
    "kept_share": "float64",
    "n_dropped_signal": "int64",
    "largest_dropped_group": "int64",
    "pruned": "bool",
}
_GROUP_ROWS = 1 << 16
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def part_of(path: str, count: int) -> int:
    """The part, from 1, to which a path belongs: the same whatever else is in the tree."""
    return zlib.crc32(path.encode("utf-8", "surrogateescape")) % count + 1


def row_of(record: Record) -> dict[str, Any]:
    """The values of a record's line; no times, which differ from run to run."""
    region = record.region
    return {
        "path": printable(record.path),
        "state": record.state,
        "kind": record.kind,
        "n_files": record.n_files,
        "nbytes": record.nbytes,
        "sha256": record.sha256,
        "target": record.target,
        "stored_nbytes": record.stored_nbytes,
        "stored_sha256": record.stored_sha256,
        "settings": record.settings,
        "medroi": record.versions.get("medroi", ""),
        "region": None if region is None else ",".join(f"{a}:{b}" for a, b in region),
        "kept_share": record.kept_share,
        "n_dropped_signal": record.n_dropped_signal,
        "largest_dropped_group": record.largest_dropped_group,
        "pruned": record.pruned,
        "error_class": record.error_class,
        "error": record.error or record.text,
    }


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The lines of the manifest, a first one with the columns' names and one for each row."""
    yield ("\t".join(COLUMNS) + "\n").encode()
    for row in rows:
        yield ("\t".join(_cell(row[name]) for name in COLUMNS) + "\n").encode()


def _cell(value: Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value).encode("utf-8", "backslashreplace").decode()
    for found, escape in _ESCAPES.items():
        text = text.replace(found, escape)
    return text or "n/a"


def write(journal: Journal, place: Place) -> None:
    """Write manifest.tsv, and manifest.parquet where pyarrow is, a few lines at a time."""
    with place.scratch() as folder:
        with contextlib.ExitStack() as opened:
            text = opened.enter_context(open(folder / NAME, "wb"))
            table = _Parquet.at(folder / PARQUET, opened)
            for line in lines(_passed_on(map(row_of, journal.records()), table)):
                text.write(line)
        # Put in place after both are complete.
        for name in (NAME, PARQUET):
            if (folder / name).is_file():
                place.put(folder / name, name, facts_in(folder / name))


def _passed_on(
    rows: Iterable[dict[str, Any]], table: _Parquet | None
) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if table is not None:
            table.add(row)
        yield row


class _Parquet:
    """Rows that are written as a table, in groups of one size whoever writes them."""

    def __init__(self, pyarrow: Any, writer: Any) -> None:
        self._pyarrow, self._writer = pyarrow, writer
        self._rows: list[dict[str, Any]] = []

    @classmethod
    def at(cls, file: Path, opened: contextlib.ExitStack) -> _Parquet | None:
        """A table that is complete when `opened` closes; None where pyarrow is not installed."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            return None
        schema = pyarrow.schema([(name, _TYPES.get(name, "string")) for name in COLUMNS])
        made = cls(pyarrow, opened.enter_context(parquet.ParquetWriter(file, schema)))
        opened.callback(made.flush)
        return made

    def add(self, row: dict[str, Any]) -> None:
        """Write one more row, some time until the end."""
        self._rows.append(row)
        if len(self._rows) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if self._rows:
            made = self._pyarrow.Table.from_pylist(self._rows, schema=self._writer.schema)
            self._writer.write_table(made)
        self._rows = []


def is_unchanged(journal: Journal, place: Place) -> bool:
    """Whether manifest.tsv is what the journal gives, and was not edited."""
    expected, nbytes = hashlib.sha256(), 0
    for line in lines(map(row_of, journal.records())):
        expected.update(line)
        nbytes += len(line)
    try:
        with place.at_hand(NAME, [FileFacts("", nbytes, expected.hexdigest())]):
            return True
    except CorruptStream:
        return False
