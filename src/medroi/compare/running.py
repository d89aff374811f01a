"""A whole comparison: scans in, a report folder out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from medroi.compare import panel
from medroi.compare.book import Book, Stage, Times
from medroi.compare.folder import Comparison, read_comparison, write_comparison
from medroi.compare.machine import describe
from medroi.compare.measuring import PROTOCOL
from medroi.compare.methods import Method, missing, settings_text
from medroi.compare.results import MatchedRow, ResultRow
from medroi.compare.sources import Source, find_sources
from medroi.compare.state import State
from medroi.compare.statistics import paired_tests
from medroi.compare.work import Options, Piece
from medroi.errors import InvalidArgument
from medroi.values import n_available_cores

EVERY_SCAN = "all scans"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Options of a comparison beside its scans and methods.

    Attributes
    ----------
    options : Options
    times, times_only : bool
        Whether there is a timing pass, and whether there is nothing else: then the folder's own
        CSV files get new times.
    timed_scans : int
        Scans of each data set that the timing pass takes.
    kept_only : bool
        Whether nothing is measured, and the report is of what the state holds.
    processes : int
        0 is one per core.
    show_progress : bool
    """

    options: Options = dataclasses.field(default_factory=Options)
    times: bool = True
    times_only: bool = False
    kept_only: bool = False
    timed_scans: int = 3
    processes: int = 0
    show_progress: bool = False


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
    ready = [method for method in methods if not missing(method)]
    book = Book(State(target / "state"), plan.kept_only, plan.show_progress)
    for stage in _stages(sources, ready, plan, book):
        book.work(stage)
    if plan.times_only:
        found = read_comparison(target)
    else:
        rows = [*book.rows("figures"), *_rows_of_missing(methods, plan.options)]
        matched = [row for row in book.rows("matched") if isinstance(row, MatchedRow)]
        evidence = list(book.evidence())
        found = Comparison(rows, matched, [], failures + book.failures, evidence, describe())
        # In the order of the methods, whichever was done first.
        places = {(method.inner, method.level): at for at, method in enumerate(ready)}
        slices = dict(sorted(book.slices.items(), key=lambda found: places[found[0][:2]]))
        panel.assemble(slices, sources[0], target / "state", plan.options.background)
    rows = [_timed(row, book.times()) for row in found.rows]
    found = dataclasses.replace(found, rows=rows, tests=paired_tests([*rows, *found.matched]))
    write_comparison(found, target)
    return found


def _timed(row: ResultRow, times: Times) -> ResultRow:
    seconds = times.get((row.data_set, row.scan, f"{row.inner}/{row.level}", row.region))
    if seconds is None or row.protocol != PROTOCOL:
        return row
    return dataclasses.replace(row, encode_s=seconds[0], decode_s=seconds[1])


def _stages(
    sources: Sequence[Source], methods: Sequence[Method], plan: Plan, book: Book
) -> Iterator[Stage]:
    """Each stage is made when the one before it is done, and may build on it."""
    cores = plan.processes or n_available_cores()
    figures = [
        Piece(source, method, plan.options, "figures", shown=source is sources[0])
        for source in sources
        for method in methods
    ]
    if not plan.times_only:
        yield Stage("figures", "figures", figures, cores)
    if plan.options.matched and not plan.times_only:
        found = [
            dataclasses.replace(p, kind="matched", shown=False, measured=book.measured(p.key))
            for p in figures
            if p.method.searched
        ]
        yield Stage("matched", "matched quality", found, cores)
    if plan.times:
        readable = [source for source in sources if not book.is_refused(source)]
        timed = _first_of_each(readable, plan.timed_scans)
        found = [dataclasses.replace(p, kind="times", shown=False) for p in figures]
        found = [p for p in found if p.source in timed]
        # Alone: whatever else ran beside it would be in the seconds.
        yield Stage("times", "times", found, 1, redo=plan.times_only)


def _first_of_each(sources: Sequence[Source], count: int) -> list[Source]:
    found: list[Source] = []
    for source in sources:
        if sum(other.data_set == source.data_set for other in found) < count:
            found.append(source)
    return found


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
