"""Data of a page: the files of a report folder, read."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

from medroi.compare.evidence.rows import EvidenceRow
from medroi.compare.results import (
    Failure,
    MatchedRow,
    PairedTest,
    ResultRow,
    read_results,
    row_from_csv,
)


@dataclasses.dataclass(frozen=True)
class ReportData:
    """The files of a report folder; what is not there is empty.

    Attributes
    ----------
    rows : list of ResultRow
    matched : list of MatchedRow
    tests : list of PairedTest
    failures : list of Failure
    evidence : list of EvidenceRow
    machine : dict
        machine.json.
    """

    rows: list[ResultRow]
    matched: list[MatchedRow]
    tests: list[PairedTest]
    failures: list[Failure]
    evidence: list[EvidenceRow]
    machine: dict[str, Any]

    @property
    def data_sets(self) -> list[str]:
        """Names, in the order of the rows."""
        return list(dict.fromkeys(data_set for data_set, _ in self._scans))

    @property
    def n_scans(self) -> int:
        """Scans that were measured."""
        return len(self._scans)

    @property
    def _scans(self) -> dict[tuple[str, str], None]:
        """Those with a figure: a codec that is not installed has a row for no scan at all."""
        return dict.fromkeys((row.data_set, row.scan) for row in self.rows if row.status == "ok")


def read_report(folder: Path) -> ReportData:
    """Read a report folder.

    Raises
    ------
    InvalidArgument
        Where results.csv or matched.csv has other columns.
    OSError
        Where there is no results.csv.
    """
    machine, matched = folder / "machine.json", folder / "matched.csv"
    found = read_results(matched) if matched.exists() else []
    return ReportData(
        rows=read_results(folder / "results.csv"),
        matched=[row for row in found if isinstance(row, MatchedRow)],
        tests=_read(folder / "tests.csv", PairedTest),
        failures=_read(folder / "failures.csv", Failure),
        evidence=_read(folder / "evidence.csv", EvidenceRow),
        machine=json.loads(machine.read_text(encoding="utf-8")) if machine.exists() else {},
    )


def _read(path: Path, kind: type) -> list[Any]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row_from_csv(line, kind) for line in csv.DictReader(file)]
