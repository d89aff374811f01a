"""Savings of a region where quality is the same: the figures that may be quoted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from statistics import median

from medroi.compare.drawing import REGIONS
from medroi.compare.page_data import ReportData
from medroi.compare.page_tables import FULL, OURS, breaks
from medroi.compare.results import ResultRow
from medroi.pages.cells import (
    NOTHING,
    Cell,
    Column,
    Table,
    geometric_mean,
    mean_cell,
    number,
    percent,
    text,
)

_SAVING_COLUMNS = (
    Column("data set", numeric=False),
    Column("inner codec", numeric=False),
    Column("level", numeric=False),
    Column("PSNR", "dB"),
    *(
        column
        for region in REGIONS[1:]
        for column in (
            Column(f"{region} / full", "bytes, %"),
            Column(f"{region}: least, most", "%"),
            Column("missed", "%, most"),
            Column("scans"),
        )
    ),
)


@dataclasses.dataclass(frozen=True)
class Saving:
    """One scan at one quality: bytes of a region over bytes of the full volume."""

    share: float
    psnr_db: float
    miss_rate: float


Savings = dict[tuple[str, str, str], dict[str, list[Saving]]]


def savings(data: ReportData) -> Savings:
    """Savings of every region at equal quality, by data set, codec and level, then by region.

    Codecs that give the full volume back exactly are at one quality as they are, but for what a
    region leaves out, which is its miss rate; the others are in matched.csv.
    """
    by_key = {row.key: row for row in data.rows if row.protocol == OURS}
    exact = {key for key, row in by_key.items() if row.psnr_db == math.inf}
    rows: dict[tuple[str, ...], ResultRow] = {
        key: row for key, row in by_key.items() if (*key[:-1], FULL) in exact
    }
    rows |= {row.key: row for row in data.matched}
    found: Savings = {}
    for key, row in rows.items():
        full = rows.get((*key[:-1], FULL))
        if row.region == FULL or full is None or {row.status, full.status} != {"ok"}:
            continue
        if row.stored_nbytes and full.stored_nbytes:
            method = found.setdefault((row.data_set, row.inner, row.level), {})
            share = row.stored_nbytes / full.stored_nbytes
            psnr_db = math.nan if full.psnr_db is None else full.psnr_db
            saving = Saving(share, psnr_db, row.miss_rate or 0.0)
            method.setdefault(row.region, []).append(saving)
    return found


def savings_table(data: ReportData) -> Table:
    """Saving of a region at equal quality."""
    lines = []
    # Lossless and lossy methods come from two files: the data sets stay together.
    found = sorted(savings(data).items(), key=lambda item: data.data_sets.index(item[0][0]))
    for method, by_region in found:
        most = max(by_region.values(), key=len)
        cells = [*map(text, method), mean_cell((saving.psnr_db for saving in most), 1)]
        for region in REGIONS[1:]:
            cells += _share_cells(by_region.get(region, []))
        lines.append(cells)
    return Table(_SAVING_COLUMNS, lines, breaks([line[0].text for line in lines]))


def _share_cells(found: Sequence[Saving]) -> list[Cell]:
    if not found:
        return [Cell(NOTHING), Cell(NOTHING), Cell(NOTHING), number(0, 0)]
    shares = [saving.share for saving in found]
    low, high = percent(min(shares)), percent(max(shares))
    return [
        percent(geometric_mean(shares), strong=True),
        Cell(f"{low.text} … {high.text}", low.sort),
        percent(max(saving.miss_rate for saving in found), 4),
        number(len(found), 0),
    ]


def headline(data: ReportData) -> list[tuple[str, float, float, float, int]]:
    """Region, median, least and most of bytes / bytes of full over all methods, their number."""
    found = []
    for region in REGIONS[1:]:
        means = [
            geometric_mean([saving.share for saving in by_region[region]])
            for by_region in savings(data).values()
            if region in by_region
        ]
        if means:
            found.append((region, median(means), min(means), max(means), len(means)))
    return found
