"""One page in HTML about an archive: sizes, failures, and regions that deserve a look."""

from __future__ import annotations

import dataclasses
import heapq
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from medroi.archives.jobs import stores_of
from medroi.archives.journals import Journal
from medroi.archives.places import Place
from medroi.archives.records import DUPLICATE, FAILED, IN_DST, STORED, Record
from medroi.archives.restore import holder_of
from medroi.archives.summary import size_text
from medroi.errors import MedROIError
from medroi.pages import html
from medroi.pages.cells import Column, Table, number, percent, text
from medroi.scans.formats.names import printable

TITLE = "Archive"
_N_PICTURES = 8
_N_ROWS = 1000


@dataclasses.dataclass
class _Sums:
    """Of one kind."""

    n_records: int = 0
    n_files: int = 0
    nbytes: int = 0
    stored_nbytes: int = 0
    seconds: float = 0.0


@dataclasses.dataclass
class _Figures:
    """Figures of all records: sums, failures, and the scans to look at."""

    kinds: dict[tuple[str, str], _Sums]
    failures: Counter[str]
    failed: list[Record]
    looked_at: list[tuple[int, float, str]]
    n_looked_at: int


def write_report(journal: Journal, place: Place, target: Path) -> None:
    """Write the page.

    Parameters
    ----------
    journal : Journal
    place : Place
        The archive, from whose stores the pictures are made.
    target : Path
        Where the page is written.

    Raises
    ------
    OSError
        Where it cannot be written.
    """
    figures = _figures(journal)
    half = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    page = html.document(f"{TITLE} {place.url}", _sections(figures, journal, place))
    half.write_text(page, encoding="utf-8")
    half.replace(target)


def _figures(journal: Journal) -> _Figures:
    kinds: dict[tuple[str, str], _Sums] = defaultdict(_Sums)
    failures: Counter[str] = Counter()
    failed: list[Record] = []
    look: list[tuple[int, float, str]] = []
    n_look = 0
    for record in journal.records():
        sums = kinds[record.kind, record.state]
        sums.n_records += 1
        sums.n_files += record.n_files
        sums.nbytes += record.nbytes
        sums.stored_nbytes += record.stored_nbytes if record.state in IN_DST else 0
        sums.seconds += record.seconds
        if record.state == FAILED:
            failures[record.error_class] += 1
            if len(failed) < _N_ROWS:
                failed.append(record)
        if record.state == STORED and record.n_dropped_signal:
            n_look += 1
            # The largest group first; of equal ones that with the least kept.
            group = record.largest_dropped_group or 0
            heapq.heappush(look, (group, -(record.kept_share or 0.0), record.path))
            if len(look) > _N_ROWS:
                heapq.heappop(look)
    return _Figures(dict(kinds), failures, failed, sorted(look, reverse=True), n_look)


def _sections(figures: _Figures, journal: Journal, place: Place) -> Iterator[str]:
    yield _head(figures, place)
    yield html.section("sizes", "Sizes by kind", html.table(_sizes(figures)))
    if figures.failures:
        yield html.section(
            "failures",
            "Failures by class",
            html.table(_classes(figures)),
            html.paragraph(_which(figures)),
            html.table(_failed(figures), tall=True),
        )
    else:
        yield html.section("failures", "Failures", html.paragraph("None."))
    yield html.section(
        "regions",
        "Regions that deserve a look",
        html.paragraph(
            f"Scans with signal outside their region, that is voxels above the noise of the air: "
            f"{figures.n_looked_at}. The largest connected groups of them come first; a group of "
            "more than 8 voxels is dropped only where a mask was given or components=largest was "
            "asked for."
        ),
        *_pictures(figures, journal, place),
        *([html.table(_looked_at(figures, journal), tall=True)] if figures.looked_at else []),
    )


def _which(figures: _Figures) -> str:
    n_all, n_shown = figures.failures.total(), len(figures.failed)
    return "By path:" if n_shown == n_all else f"The first {n_shown} of {n_all} by path:"


def _head(figures: _Figures, place: Place) -> str:
    scans = [sums for (_, state), sums in figures.kinds.items() if state == STORED]
    nbytes = sum(sums.nbytes for sums in figures.kinds.values())
    stored_nbytes = sum(sums.stored_nbytes for sums in figures.kinds.values())
    boxes = (
        (f"{sum(sums.n_records for sums in scans)}", "scans stored"),
        (size_text(nbytes), "in the tree"),
        (size_text(stored_nbytes), "in the archive"),
        (f"{sum(figures.failures.values())}", "failed"),
    )
    shown = "".join(
        f"<div><b>{html.escape(value)}</b><span>{html.escape(what)}</span></div>"
        for value, what in boxes
    )
    return (
        f"<header><h1>{html.escape(TITLE)} {html.escape(place.url)}</h1>"
        f'<div class="figures">{shown}</div></header>'
    )


def _sizes(figures: _Figures) -> Table:
    columns = [
        Column("Kind", numeric=False),
        Column("State", numeric=False),
        Column("Records"),
        Column("Files"),
        Column("In the tree", "MB"),
        Column("In the archive", "MB"),
        Column("Archive / tree", "%"),
        Column("Time", "s"),
    ]
    rows = []
    for (kind, state), sums in sorted(figures.kinds.items()):
        share = sums.stored_nbytes / sums.nbytes if sums.nbytes and state in IN_DST else None
        rows.append(
            [
                text(kind),
                text(state),
                number(sums.n_records, 0),
                number(sums.n_files, 0),
                number(sums.nbytes / 1e6, 2),
                number(sums.stored_nbytes / 1e6, 2),
                percent(None if state == DUPLICATE else share),
                number(sums.seconds, 1),
            ]
        )
    return Table(columns, rows)


def _classes(figures: _Figures) -> Table:
    rows = [[text(name), number(count, 0)] for name, count in figures.failures.most_common()]
    return Table([Column("Class", numeric=False), Column("Records")], rows)


def _failed(figures: _Figures) -> Table:
    columns = [Column(title, numeric=False) for title in ("Path", "Class", "What was found")]
    rows = [
        [text(printable(one.path)), text(one.error_class), text(one.error)]
        for one in figures.failed
    ]
    return Table(columns, rows)


def _looked_at(figures: _Figures, journal: Journal) -> Table:
    columns = [
        Column("Scan", numeric=False),
        Column("Largest group", "voxels"),
        Column("Signal dropped", "voxels"),
        Column("Kept", "%"),
    ]
    rows = []
    for group, _, path in figures.looked_at:
        record = journal.record(path)
        rows.append(
            [
                text(printable(path)),
                number(group, 0),
                number(record.n_dropped_signal, 0),
                percent(record.kept_share),
            ]
        )
    return Table(columns, rows)


def _pictures(figures: _Figures, journal: Journal, place: Place) -> Iterator[str]:
    for _, _, path in figures.looked_at[:_N_PICTURES]:
        yield f"<h3>{html.escape(printable(path))}</h3>"
        with tempfile.TemporaryDirectory(prefix="medroi-report-") as folder:
            picture = Path(folder, "region.png")
            try:
                _draw(journal.record(path), journal, place, picture)
            except (MedROIError, OSError) as error:
                yield html.paragraph(f"no picture: {' '.join(str(error).split())}", "note")
                continue
            yield html.picture(picture, f"planes through {printable(path)} and what is kept")


def _draw(record: Record, journal: Journal, place: Place, picture: Path) -> None:
    from medroi.scans import show

    holder = holder_of(journal, record)
    with place.at_hand(holder.target, holder.stored_files) as stored:
        show(stores_of(stored)[0], picture)
