"""report.html: all of a comparison on one page that needs nothing besides itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from medroi.compare import page_savings as savings
from medroi.compare import page_tables as tables
from medroi.compare import page_text as words
from medroi.compare.drawing import check_matplotlib
from medroi.compare.evidence.figure import PICTURES, draw
from medroi.compare.evidence.summary import evidence_table
from medroi.compare.page_data import ReportData, read_report
from medroi.compare.plots import plot_panel, plot_rate_distortion
from medroi.compare.results import ResultRow
from medroi.errors import InvalidArgument
from medroi.pages import html
from medroi.pages.cells import Cell, Column, Table, number, text

PAGE, CURVES, PANEL = "report.html", "rd.png", "panel.png"
TITLE = "Full volume, box and mask compared"
_UNITS = {"nbytes": "bytes", "db": "dB", "s": "s"}


def write_page(report_folder: str | Path) -> Path:
    """Draw the figures and write report.html from the files of a report folder.

    Parameters
    ----------
    report_folder : path
        Holds results.csv; matched.csv, tests.csv, failures.csv, evidence.csv, machine.json and
        state/panel.npz where there are any.

    Returns
    -------
    Path
        Of report.html. rd.png, panel.png and evidence_*.png are beside it, and within it.

    Raises
    ------
    InvalidArgument
        Where a table has other columns than `medroi.compare.results` says.
    InnerUnavailable
        Where matplotlib is not installed.
    OSError
        Where there is no results.csv, or the folder cannot be written to.
    """
    check_matplotlib()
    folder = Path(report_folder)
    data = read_report(folder)
    curves = _drawn(lambda path: plot_rate_distortion(data.rows, path), folder / CURVES)
    slices = folder / "state" / "panel.npz"
    panel = None
    if slices.exists():
        panel = _drawn(lambda path: plot_panel(slices, path), folder / PANEL)
    evidence = {
        picture.title: _drawn(partial(draw, data.evidence, picture), folder / picture.file)
        for picture in PICTURES
    }
    target = folder / PAGE
    half = target.with_name(target.name + ".part")
    half.write_text(
        html.document(TITLE, _sections(data, curves, panel, evidence)), encoding="utf-8"
    )
    half.replace(target)
    return target


def _drawn(draw: Callable[[Path], None], path: Path) -> Path | str:
    """A figure, or why there is none; one of an earlier run must not stay."""
    path.unlink(missing_ok=True)
    try:
        draw(path)
    except InvalidArgument as error:
        return str(error)
    return path


def _sections(
    data: ReportData,
    curves: Path | str,
    panel: Path | str | None,
    evidence: Mapping[str, Path | str],
) -> Iterator[str]:
    yield _head(data)
    yield html.section(
        "equal",
        "What a region saves at equal quality",
        html.paragraph(words.EQUAL_QUALITY),
        html.table(savings.savings_table(data)),
    )
    yield html.section(
        "curves",
        "Rate and distortion",
        html.paragraph(words.RATE_DISTORTION),
        _figure(curves, "PSNR over bits per voxel for every inner codec and region"),
    )
    if panel is not None:
        shown = _figure(panel, "A slice as decoded by each codec, and its errors")
        yield html.section("panel", "One slice", html.paragraph(words.PANEL), shown)
    yield html.section("summary", "All quantities", html.paragraph(words.SUMMARY), *_summary(data))
    if data.evidence:
        yield html.section("evidence", "Evidence", *_evidence(data, evidence))
    published = tables.published_table(data.rows)
    if published.rows:
        note, shown = html.paragraph(words.PUBLISHED), html.table(published)
        yield html.section("published", "The published protocol beside ours", note, shown)
    yield _tests(data)
    yield _missing(data)
    terms = html.definitions(words.DEFINITIONS)
    yield html.section("definitions", "What every quantity means", terms)
    yield html.section("machine", "Machine and versions", html.definitions(_machine(data.machine)))
    yield _all_rows(data)


def _head(data: ReportData) -> str:
    scans, sets = (_counted(data.n_scans, "scan"), _counted(len(data.data_sets), "data set"))
    what = f"{scans} of {sets}: {', '.join(data.data_sets)}."
    boxes = [
        f"<div><b>{_saved(middle)} %</b><span>fewer bytes with the {region} at equal quality: "
        f"median of {count} codecs and levels, from {_saved(most)} to {_saved(least)} %"
        "</span></div>"
        for region, middle, least, most, count in savings.headline(data)
    ]
    links = (
        ("equal", "Equal quality"),
        ("curves", "Rate and distortion"),
        ("summary", "All quantities"),
        *((("evidence", "Evidence"),) if data.evidence else ()),
        ("tests", "Statistics"),
        ("missing", "What is not here"),
        ("definitions", "Definitions"),
        ("machine", "Machine"),
        ("rows", "Every row"),
    )
    anchors = "".join(f'<a href="#{key}">{title}</a>' for key, title in links)
    parts = [f"<header><h1>{html.escape(TITLE)}</h1>", html.paragraph(what)]
    n_missing = len(data.failures) + sum(row.status != "ok" for row in data.rows)
    if n_missing:
        note = f"{n_missing} files or rows gave no number: they are listed below, with the reason."
        parts.append(html.paragraph(note, "warn"))
    figures = f'<div class="figures">{"".join(boxes)}</div>' if boxes else ""
    return "\n".join([*parts, figures, f"<nav>{anchors}</nav></header>"])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _saved(share: float) -> str:
    """Saving where this share of the bytes is left, in percent."""
    return number(100 * (1 - share), 1).text


def _figure(drawn: Path | str, description: str) -> str:
    if isinstance(drawn, Path):
        return html.picture(drawn, description)
    return html.paragraph(drawn, "warn")


def _summary(data: ReportData) -> Iterator[str]:
    for name in data.data_sets:
        yield f"<h3>{html.escape(name)}</h3>"
        yield html.table(tables.summary_table(data.rows, name))


def _evidence(data: ReportData, pictures: Mapping[str, Path | str]) -> Iterator[str]:
    yield html.paragraph(words.EVIDENCE)
    for title, drawn in pictures.items():
        yield f"<h3>{html.escape(title)}</h3>"
        yield _figure(drawn, f"{title}, over bits per voxel, for every lossy codec")
    for name in data.data_sets:
        rows = [row for row in data.evidence if row.data_set == name]
        if rows:
            yield f"<h3>{html.escape(name)}</h3>"
            yield html.table(evidence_table(rows))


def _tests(data: ReportData) -> str:
    if not data.tests:
        shown = html.paragraph("No tests: they need two scans of a codec or more.", "note")
    else:
        shown = html.table(tables.tests_table(data.tests), tall=len(data.tests) > 30)
    return html.section("tests", "Statistics", html.paragraph(words.TESTS), shown)


def _missing(data: ReportData) -> str:
    parts = []
    if data.failures:
        columns = [Column("path", numeric=False), Column("why it is no scan here", numeric=False)]
        lines = [[text(failure.path), text(failure.reason)] for failure in data.failures]
        parts += ["<h3>Files that were not measured</h3>", html.table(Table(columns, lines))]
    gaps = tables.missing_table([*data.rows, *data.matched])
    if gaps.rows:
        parts += ["<h3>Rows without a number</h3>", html.table(gaps)]
    if not parts:
        parts = [html.paragraph("Every file was read, and every row has its numbers.", "note")]
    return html.section("missing", "What is not here, and why", *parts)


def _machine(machine: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in machine.items():
        if isinstance(value, dict):
            value = "; ".join(f"{key} {found}" for key, found in value.items())
        elif isinstance(value, list):
            value = "; ".join(map(str, value))
        yield name.replace("_", " "), str(value)


def _all_rows(data: ReportData) -> str:
    fields = [field.name for field in dataclasses.fields(ResultRow)]
    numeric = {
        field.name
        for field in dataclasses.fields(ResultRow)
        if str(field.type).startswith(("int", "float"))
    }
    columns = [Column(*_title(name), name in numeric) for name in fields]
    lines = [[_raw(getattr(row, name)) for name in fields] for row in data.rows]
    return html.section(
        "rows",
        "Every row",
        html.paragraph(f"The {len(lines)} rows of results.csv, means of nothing.", "note"),
        "<details><summary>Show them</summary>",
        '<input type="search" data-table="every-row" placeholder="words that a row has to hold"'
        ' aria-label="Search the rows"/>',
        html.table(Table(columns, lines), "every-row", tall=True),
        "</details>",
    )


def _title(column: str) -> tuple[str, str]:
    """Words and unit of a column's name."""
    name, _, last = column.rpartition("_")
    return (name.replace("_", " "), _UNITS[last]) if last in _UNITS else (
        column.replace("_", " "),
        "",
    )  # fmt: skip


def _raw(value: Any) -> Cell:
    if isinstance(value, str):
        return text(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return number(value)
    return Cell(f"{value:.6g}" if isinstance(value, float) else str(value), value)
