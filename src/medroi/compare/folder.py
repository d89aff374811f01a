"""The files of a report folder that hold its figures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from medroi.compare import tables
from medroi.compare.evidence.rows import EvidenceRow
from medroi.compare.results import (
    Failure,
    MatchedRow,
    PairedTest,
    ResultRow,
    read_results,
    read_rows,
    write_results,
)
from medroi.errors import InvalidArgument


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All figures of a report."""

    rows: list[ResultRow]
    matched: list[MatchedRow]
    tests: list[PairedTest]
    failures: list[Failure]
    evidence: list[EvidenceRow]
    machine: dict[str, Any]


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """Write the CSV files, machine.json and summary.md."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(comparison.rows, folder / "results.csv")
    write_results(comparison.matched, folder / "matched.csv", MatchedRow)
    write_results(comparison.tests, folder / "tests.csv", PairedTest)
    write_results(comparison.failures, folder / "failures.csv", Failure)
    write_results(comparison.evidence, folder / "evidence.csv", EvidenceRow)
    machine = json.dumps(comparison.machine, indent=2) + "\n"
    (folder / "machine.json").write_text(machine, encoding="utf-8")
    summary = tables.summary_markdown(
        comparison.rows,
        comparison.tests,
        comparison.matched,
        comparison.failures,
        comparison.machine,
        evidence=comparison.evidence,
    )
    (folder / "summary.md").write_text(summary, encoding="utf-8")


def read_comparison(folder: Path) -> Comparison:
    """Read what `write_comparison` wrote.

    Raises
    ------
    InvalidArgument
        Where the folder holds no report.
    """
    if not (folder / "results.csv").exists():
        raise InvalidArgument(f"{folder}: no results.csv; compare without --times-only first")
    machine = folder / "machine.json"
    return Comparison(
        rows=read_results(folder / "results.csv"),
        matched=read_rows(folder / "matched.csv", MatchedRow),
        # They follow from the rows, whatever columns an earlier version gave them.
        tests=[],
        failures=read_rows(folder / "failures.csv", Failure),
        evidence=read_rows(folder / "evidence.csv", EvidenceRow),
        machine=json.loads(machine.read_text(encoding="utf-8")) if machine.exists() else {},
    )
