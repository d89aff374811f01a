"""The manifest: a line for everything in the tree, by path; the same whoever did the work."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from medroi.archives.journals import Journal
from medroi.archives.places import Place
from medroi.archives.records import Record
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
    """Write manifest.tsv, and manifest.parquet where pyarrow is installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        place.write(NAME, b"".join(lines(map(row_of, journal.records()))))
        return
    rows = [row_of(record) for record in journal.records()]
    place.write(NAME, b"".join(lines(rows)))
    table = pyarrow.table({name: [row[name] for row in rows] for name in COLUMNS})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    place.write(PARQUET, buffer.getvalue())


def is_unchanged(journal: Journal, place: Place) -> bool:
    """Whether manifest.tsv is what the journal gives, and was not edited."""
    expected = hashlib.sha256()
    for line in lines(map(row_of, journal.records())):
        expected.update(line)
    found = place.read(NAME)
    return found is not None and hashlib.sha256(found).digest() == expected.digest()
