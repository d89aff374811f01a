"""A whole comparison: scans in, a report folder out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from medroi.compare import panel, tables
from medroi.compare.machine import describe
from medroi.compare.methods import Method, missing, settings_text
from medroi.compare.pool import available_cores, run_all
from medroi.compare.results import (
    Failure,
    MatchedRow,
    PairedTest,
    ResultRow,
    row_from_json,
    row_to_json,
    write_results,
)
from medroi.compare.sources import Source, find_sources
from medroi.compare.state import State
from medroi.compare.statistics import paired_tests
from medroi.compare.work import Done, Options, Piece
from medroi.errors import InvalidArgument
from medroi.scans import progress

# What a change of makes kept results worthless.
_STATE_VERSION = 1
EVERY_SCAN = "all scans"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a comparison does beside its scans and methods.

    Attributes
    ----------
    options : Options
    times, times_only : bool
        Whether there is a timing pass, and whether there is nothing else.
    timed_scans : int
        Scans of each data set that the timing pass takes.
    processes : int
        0 is one per core.
    show_progress : bool
    """

    options: Options = dataclasses.field(default_factory=Options)
    times: bool = True
    times_only: bool = False
    timed_scans: int = 5
    processes: int = 0
    show_progress: bool = False


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that a report is made of."""

    rows: list[ResultRow]
    matched: list[MatchedRow]
    tests: list[PairedTest]
    failures: list[Failure]
    machine: dict[str, Any]


def compare(
    paths: Iterable[str | Path], methods: Sequence[Method], folder: str | Path, plan: Plan
) -> Comparison:
    """Compare methods on scans, and write the report's tables.

    Parameters
    ----------
    paths : iterable of path
        Files and folders.
    methods : sequence of Method
        As `select` gives them.
    folder : path
        The report; made if it is not there. What it already holds of the same scans, methods and
        version is not done again.
    plan : Plan

    Raises
    ------
    InvalidArgument
        Where the paths hold no scan, or two methods have one name.
    """
    target = Path(folder)
    labels = [method.label for method in methods]
    if len(set(labels)) != len(labels):
        raise InvalidArgument(f"methods {labels}: expected each once")
    sources, failures = find_sources(paths)
    if not sources:
        listed = "; ".join(f"{f.path}: {f.reason}" for f in failures[:5]) or "no path was given"
        raise InvalidArgument(f"nothing to compare: {listed}")
    target.mkdir(parents=True, exist_ok=True)
    ready = [method for method in methods if not missing(method)]
    book = _Book(State(target / "state"), sources, plan)
    for pieces, processes, title in _passes(sources, ready, plan):
        book.work(pieces, processes, title)
    rows = [*book.rows("figures"), *_rows_of_missing(methods, plan.options)]
    comparison = Comparison(
        rows=rows,
        matched=[row for row in book.rows("matched") if isinstance(row, MatchedRow)],
        tests=paired_tests(rows),
        failures=failures + book.failures,
        machine=describe(),
    )
    _write(comparison, target)
    panel.assemble(book.slices, sources[0], target / "state", plan.options.background)
    return comparison


def _passes(
    sources: Sequence[Source], methods: Sequence[Method], plan: Plan
) -> Iterator[tuple[list[Piece], int, str]]:
    """Pieces of work, how many at a time, and what the progress bar calls them."""
    cores = plan.processes or available_cores()
    figures = [
        Piece(source, method, plan.options, "figures", shown=source is sources[0])
        for source in sources
        for method in methods
    ]
    yield figures, cores, "figures"
    if plan.options.matched:
        found = [dataclasses.replace(p, kind="matched", shown=False) for p in figures]
        yield [p for p in found if p.method.searched], cores, "matched quality"
    if plan.times:
        timed = _first_of_each(sources, plan.timed_scans)
        found = [dataclasses.replace(p, kind="times", shown=False) for p in figures]
        # Alone: whatever else ran beside it would be in the seconds.
        yield [p for p in found if p.source in timed], 1, "times"


def _first_of_each(sources: Sequence[Source], count: int) -> list[Source]:
    found: list[Source] = []
    for source in sources:
        if sum(other.data_set == source.data_set for other in found) < count:
            found.append(source)
    return found


class _Book:
    """Keeps what pieces of work gave, in memory and in the state."""

    def __init__(self, state: State, sources: Sequence[Source], plan: Plan) -> None:
        self._state, self._plan = state, plan
        self._found: dict[tuple[str, ...], Done] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self.slices: dict[tuple[str, str, str], Any] = {}

    @property
    def failures(self) -> list[Failure]:
        return [Failure("/".join(name), why) for name, why in self._refused.items()]

    def work(self, pieces: Sequence[Piece], processes: int, title: str) -> None:
        """Take from the state what it has, do the rest, and keep it."""
        redo = self._plan.times_only and title == "times"
        left = [piece for piece in pieces if redo or not self._known(piece)]
        if self._plan.times_only and title != "times":
            return
        with progress.bar(
            len(left), title, show=self._plan.show_progress, unit="method"
        ) as advance:
            for piece, done in self._run(left, processes, advance):
                if not done.refused:
                    self._keep(piece, done)
                self._take(piece, done)

    def _run(
        self, pieces: Sequence[Piece], processes: int, advance: Callable[[int], None]
    ) -> Iterator[tuple[Piece, Done]]:
        """All pieces; those of a scan that could not be read are not tried with every method."""
        for piece, done in run_all(pieces, processes):
            advance(1)
            yield piece, done

    def _known(self, piece: Piece) -> bool:
        value = self._state.get(piece.key, _fingerprint(piece))
        slices = self._slices_of(piece)
        if value is None or (piece.shown and slices is None):
            return False
        kind = MatchedRow if piece.kind == "matched" else ResultRow
        rows = tuple(row_from_json(row, kind) for row in value["rows"])
        times = {region: tuple(seconds) for region, seconds in value["times"].items()}
        self._take(piece, Done(rows, times, slices or {}))
        return True

    def _slices_of(self, piece: Piece) -> dict[str, Any] | None:
        try:
            with np.load(self._state.path(piece.key, ".npz")) as kept:
                return dict(kept)
        except (OSError, ValueError):
            return None

    def _keep(self, piece: Piece, done: Done) -> None:
        if piece.shown:
            np.savez_compressed(self._state.path(piece.key, ".npz"), **done.slices)
        rows = [row_to_json(row) for row in done.rows]
        value = {"rows": rows, "times": {name: list(pair) for name, pair in done.times.items()}}
        self._state.put(piece.key, _fingerprint(piece), value)

    def _take(self, piece: Piece, done: Done) -> None:
        self._found[piece.key] = done
        for region, image in done.slices.items():
            self.slices[(piece.method.inner, piece.method.level, region)] = image
        if done.refused:
            self._refused.setdefault((piece.source.data_set, piece.source.scan), done.refused)

    def rows(self, kind: str) -> Iterator[ResultRow]:
        """The rows of one pass, with the times of the timing pass where there are any."""
        for key, done in self._found.items():
            if key[-1] != kind:
                continue
            timed = self._found.get((*key[:-1], "times"), Done()).times
            for row in done.rows:
                seconds = timed.get(row.region)
                if seconds and row.protocol == "medroi" and kind == "figures":
                    row = dataclasses.replace(row, encode_s=seconds[0], decode_s=seconds[1])
                yield row


def _fingerprint(piece: Piece) -> Any:
    return {
        "files": piece.source.fingerprint(),
        "settings": settings_text(piece.method.config),
        "options": dataclasses.asdict(piece.options),
        "medroi": version("medroi"),
        "state": _STATE_VERSION,
    }


def _rows_of_missing(methods: Sequence[Method], options: Options) -> list[ResultRow]:
    """One row for each method that cannot run here."""
    return [
        ResultRow(
            scan=EVERY_SCAN,
            data_set=EVERY_SCAN,
            protocol=options.protocols[0],
            inner=method.inner,
            level=method.level,
            region=options.regions[0],
            status=why,
            settings=settings_text(method.config),
        )
        for method in methods
        if (why := missing(method))
    ]


def _write(comparison: Comparison, folder: Path) -> None:
    write_results(comparison.rows, folder / "results.csv")
    write_results(comparison.matched, folder / "matched.csv", MatchedRow)
    write_results(comparison.tests, folder / "tests.csv", PairedTest)
    write_results(comparison.failures, folder / "failures.csv", Failure)
    machine = json.dumps(comparison.machine, indent=2) + "\n"
    (folder / "machine.json").write_text(machine, encoding="utf-8")
    summary = tables.summary_markdown(
        comparison.rows,
        comparison.tests,
        comparison.matched,
        comparison.failures,
        comparison.machine,
    )
    (folder / "summary.md").write_text(summary, encoding="utf-8")
