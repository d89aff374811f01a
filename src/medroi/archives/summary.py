"""The report of a run, for a person and for a script."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from typing import Any

from medroi.archives.journals import Journal
from medroi.archives.planning import Plan
from medroi.archives.records import FAILED

_SHOWN_FAILURES = 10


def size_text(nbytes: int) -> str:
    """A number of bytes in the unit that suits it."""
    for unit, unit_nbytes in (("TB", 1e12), ("GB", 1e9)):
        if abs(nbytes) >= unit_nbytes:
            return f"{nbytes / unit_nbytes:.2f} {unit}"
    return f"{nbytes / 1e6:.2f} MB"


@dataclasses.dataclass(frozen=True)
class ArchiveReport:
    """Figures of a run, and of the archive after it.

    Attributes
    ----------
    is_dry : bool
        Whether nothing was done; `planned` and `run` then have what would be.
    planned : dict
        By kind, how many scans and files had to be done.
    planned_nbytes : int
    n_done_before : int
        Scans and files that an earlier run had done.
    run : dict
        By state, the records that this run wrote; of a dry one those that need no work.
    states : dict
        By state, the records of the archive.
    n_files, nbytes, stored_nbytes : int
        Files of the tree that are accounted for, their bytes, and the bytes in the archive.
    failures : tuple of (path, class, text)
        Of the archive, by path; of a dry run those of the tree that cannot be read.
    n_failed : int
    seconds : float
    """

    is_dry: bool
    planned: dict[str, int]
    planned_nbytes: int
    n_done_before: int
    run: dict[str, int]
    states: dict[str, int]
    n_files: int
    nbytes: int
    stored_nbytes: int
    failures: tuple[tuple[str, str, str], ...]
    n_failed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """Return the report as a few lines of text."""
        planned = ", ".join(f"{n} {kind}" for kind, n in sorted(self.planned.items())) or "nothing"
        head = f"to do: {planned}, {size_text(self.planned_nbytes)}"
        before = f"done before: {self.n_done_before}"
        states = ", ".join(f"{n} {state}" for state, n in sorted(self._states().items()))
        lines = [head, before]
        if not self.is_dry:
            lines += [f"the archive: {states}", self._sizes()]
        else:
            lines += [f"without work: {states or 'nothing'}", f"{self.n_files} files in the tree"]
        for path, _, text in self.failures:
            lines.append(f"  failed: {text if text.startswith(path) else f'{path}: {text}'}")
        if self.n_failed > len(self.failures):
            lines.append(f"  and {self.n_failed - len(self.failures)} more; see manifest.tsv")
        if self.is_dry:
            lines.append("nothing was written (--dry-run)")
        return "\n".join([*lines, f"{self.seconds:.1f} s"])

    def _states(self) -> dict[str, int]:
        return self.run if self.is_dry else self.states

    def _sizes(self) -> str:
        text = f"{self.n_files} files, {size_text(self.nbytes)}"
        share = f" ({100 * self.stored_nbytes / self.nbytes:.1f} %)" if self.nbytes else ""
        return f"{text} in the tree, {size_text(self.stored_nbytes)} in the archive{share}"


def summary_of(
    plan: Plan, counted: Counter[str], began: float, journal: Journal | None = None
) -> ArchiveReport:
    """Sum a run up; one without a journal was dry."""
    states: Counter[str] = Counter()
    n_files = nbytes = stored_nbytes = 0
    failures: list[tuple[str, str, str]] = []
    if journal is None:
        n_files = plan.n_files
        nbytes = plan.nbytes + plan.done_nbytes
        found = [one for one in plan.records if one.state == FAILED]
        failures = [(one.path, one.error_class, one.error) for one in found[:_SHOWN_FAILURES]]
        n_failed = len(found)
    else:
        for total in journal.index.totals():
            states[total.state] = total.n_records
            n_files += total.n_files
            nbytes += total.nbytes
            stored_nbytes += total.stored_nbytes
        for path, _ in itertools.islice(journal.index.items(FAILED), _SHOWN_FAILURES):
            record = journal.record(path)
            failures.append((path, record.error_class, record.error))
        n_failed = states[FAILED]
    return ArchiveReport(
        is_dry=journal is None,
        planned=dict(plan.kinds()),
        planned_nbytes=plan.nbytes,
        n_done_before=plan.n_done,
        run=dict(counted),
        states=dict(states),
        n_files=n_files,
        nbytes=nbytes,
        stored_nbytes=stored_nbytes,
        failures=tuple(failures),
        n_failed=n_failed,
        seconds=time.monotonic() - began,
    )
