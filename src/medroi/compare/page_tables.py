"""The summary tables of the page: means over the scans of a data set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, median

from medroi.compare.drawing import REGIONS
from medroi.compare.page_cells import (
    NOTHING,
    Cell,
    Column,
    Table,
    geometric_mean,
    largest_cell,
    mean_cell,
    number,
    percent,
    probability,
    text,
)
from medroi.compare.page_data import ReportData
from medroi.compare.results import MatchedRow, PairedTest, ResultRow

OURS, PUBLISHED = "medroi", "published"
SIGNIFICANT = 0.05
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
            Column(f"{region}: scans"),
        )
    ),
)
_SUMMARY_COLUMNS = (
    Column("inner codec", numeric=False),
    Column("level", numeric=False),
    Column("region", numeric=False),
    Column("scans"),
    Column("compression ratio"),
    Column("bpv, volume", "bit"),
    Column("bpv, region", "bit"),
    Column("PSNR", "dB"),
    Column("SSIM"),
    Column("error", "stored units, most"),
    Column("miss rate", "%, most"),
    Column("encode", "s"),
    Column("decode", "s"),
    Column("memory", "MB, most"),
)
_TEST_COLUMNS = (
    Column("inner codec", numeric=False),
    Column("level", numeric=False),
    Column("protocol", numeric=False),
    Column("quantity", numeric=False),
    Column("pair", numeric=False),
    Column("n", "scans"),
    Column("mean difference"),
    Column("mean ratio"),
    Column("t"),
    Column("p"),
    Column("p, Holm"),
    Column("Cohen's d"),
)


def savings(data: ReportData) -> dict[tuple[str, str, str], dict[str, list[float]]]:
    """Bytes of a region over bytes of the full volume at one quality, by method, region and scan.

    Lossless methods are at one quality as they are; the others in matched.csv.
    """
    exact = [
        row for row in data.rows if row.protocol == OURS and row.psnr_db == math.inf
    ]  # fmt: skip
    nbytes = {
        row.key: row.stored_nbytes
        for row in [*exact, *data.matched]
        if row.status == "ok" and row.stored_nbytes
    }
    found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for key, stored in nbytes.items():
        data_set, _, _, inner, level, region = key
        full = nbytes.get((*key[:-1], "full"))
        if full and region != "full":
            method = found.setdefault((data_set, inner, level), {})
            method.setdefault(region, []).append(stored / full)
    return found


def savings_table(data: ReportData) -> Table:
    """What a region saves at equal quality."""
    quality: dict[tuple[str, str, str], list[float | None]] = {}
    for row in data.matched:
        key = (row.data_set, row.inner, row.level)
        quality.setdefault(key, []).append(row.matched_psnr_db)
    lines = []
    # Lossless and lossy methods come from two files: the data sets stay together.
    found = sorted(savings(data).items(), key=lambda item: data.data_sets.index(item[0][0]))
    for method, by_region in found:
        cells = [text(part) for part in method]
        # All regions of a scan have one PSNR: it counts once.
        cells.append(mean_cell(quality.get(method, [math.inf])[:: len(REGIONS)], 1))
        for region in REGIONS[1:]:
            ratios = by_region.get(region, [])
            cells += _share_cells(ratios)
        lines.append(cells)
    return Table(_SAVING_COLUMNS, lines, _breaks([line[0].text for line in lines]))


def _share_cells(ratios: Sequence[float]) -> list[Cell]:
    if not ratios:
        return [number(None), Cell(NOTHING), number(0, 0)]
    low, high = percent(min(ratios)), percent(max(ratios))
    mean = percent(geometric_mean(ratios), strong=True)
    return [mean, Cell(f"{low.text} … {high.text}", low.sort), number(len(ratios), 0)]


def headline(data: ReportData) -> list[tuple[str, float, float, float, int]]:
    """Region, median, least and most of bytes / bytes of full over all methods, their number."""
    found = []
    for region in REGIONS[1:]:
        means = [
            geometric_mean(by_region[region])
            for by_region in savings(data).values()
            if region in by_region
        ]
        if means:
            found.append((region, median(means), min(means), max(means), len(means)))
    return found


def summary_table(rows: Sequence[ResultRow], data_set: str) -> Table:
    """All quantities of one data set, this project's protocol."""
    groups = _grouped(row for row in rows if row.data_set == data_set and row.protocol == OURS)
    lines = []
    for (inner, level, region), members in groups.items():
        lines.append(
            [
                text(inner),
                text(level),
                text(region),
                number(len(members), 0),
                mean_cell((row.compression_ratio for row in members), 2),
                mean_cell((row.bpv_volume for row in members), 3),
                mean_cell((row.bpv_region for row in members), 3),
                mean_cell((row.psnr_db for row in members), 2),
                number(_mean(row.ssim for row in members), 4),
                largest_cell((row.max_error for row in members), 1),
                largest_cell((row.miss_rate for row in members), 4, 100),
                mean_cell((row.encode_s for row in members), 3),
                mean_cell((row.decode_s for row in members), 3),
                largest_cell((row.peak_memory_nbytes for row in members), 1, 1e-6),
            ]
        )
    return Table(_SUMMARY_COLUMNS, lines, _breaks([line[0].text + line[1].text for line in lines]))


def published_table(rows: Sequence[ResultRow]) -> Table:
    """Both protocols side by side, for the methods that the publication has."""
    groups: dict[tuple[str, str, str], dict[tuple[str, str], list[ResultRow]]] = {}
    for row in rows:
        if row.status == "ok":
            by_kind = groups.setdefault((row.data_set, row.inner, row.level), {})
            by_kind.setdefault((row.protocol, row.region), []).append(row)
    kinds = [(PUBLISHED, "full"), (PUBLISHED, "box"), (OURS, "full"), (OURS, "box")]
    columns = [Column(name, numeric=False) for name in ("data set", "inner codec", "level")]
    for title, unit in (("ratio", ""), ("PSNR", "dB")):
        columns += [Column(f"{title}, {protocol} {region}", unit) for protocol, region in kinds]
    lines = []
    for method, by_kind in groups.items():
        if any(protocol == PUBLISHED for protocol, _ in by_kind):
            cells = [text(part) for part in method]
            cells += [mean_cell(r.compression_ratio for r in by_kind.get(k, [])) for k in kinds]
            cells += [mean_cell(r.psnr_db for r in by_kind.get(k, [])) for k in kinds]
            lines.append(cells)
    return Table(columns, lines, _breaks([line[0].text for line in lines]))


def tests_table(tests: Sequence[PairedTest]) -> Table:
    """The paired tests; what is left after the correction stands out."""
    lines = []
    for test in tests:
        strong = test.p_holm is not None and test.p_holm < SIGNIFICANT
        names = (test.inner, test.level, test.protocol, test.quantity, test.pair)
        lines.append(
            [
                *(text(name) for name in names),
                number(test.n, 0),
                number(test.mean_difference, 3),
                number(test.mean_ratio, 3),
                number(test.t, 2),
                probability(test.p),
                probability(test.p_holm, strong),
                number(test.cohen_d, 2),
            ]
        )
    return Table(_TEST_COLUMNS, lines, _breaks([line[0].text + line[1].text for line in lines]))


def missing_table(rows: Sequence[ResultRow | MatchedRow]) -> Table:
    """Why there is no number, by method and reason."""
    reasons: Counter[tuple[str, ...]] = Counter()
    regions: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.status != "ok":
            kind = "matched quality" if isinstance(row, MatchedRow) else row.protocol
            key = (row.inner, row.level, kind, row.status)
            reasons[key] += 1
            regions.setdefault(key, []).append(row.region)
    columns = [Column(name, numeric=False) for name in ("inner codec", "level", "of", "regions")]
    columns += [Column("rows"), Column("why there is no number", numeric=False)]
    lines = []
    for (inner, level, kind, status), count in reasons.items():
        named = ", ".join(dict.fromkeys(regions[inner, level, kind, status]))
        words = [text(word) for word in (inner, level, kind, named)]
        lines.append([*words, number(count, 0), text(status)])
    return Table(columns, lines)


def _grouped(rows: Iterable[ResultRow]) -> dict[tuple[str, str, str], list[ResultRow]]:
    groups: dict[tuple[str, str, str], list[ResultRow]] = {}
    for row in rows:
        members = groups.setdefault((row.inner, row.level, row.region), [])
        if row.status == "ok":
            members.append(row)
    return {key: members for key, members in groups.items() if members}


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None


def _breaks(keys: Sequence[str]) -> frozenset[int]:
    return frozenset(at for at in range(1, len(keys)) if keys[at] != keys[at - 1])
