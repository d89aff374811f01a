"""The summary tables of the page: means over the scans of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from medroi.compare.results import MatchedRow, PairedTest, ResultRow
from medroi.pages.cells import (
    Column,
    Table,
    geometric_cell,
    largest_cell,
    mean_cell,
    number,
    probability,
    text,
)

OURS, PUBLISHED, FULL = "medroi", "published", "full"
SIGNIFICANT = 0.05
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
    Column("missed", "voxels, most"),
    Column("largest group missed", "voxels"),
    Column("brightest dropped", "stored units"),
    Column("encode", "s"),
    Column("decode", "s"),
    Column("memory", "MB, most"),
)
_TEST_COLUMNS = (
    Column("data set", numeric=False),
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
                geometric_cell((row.compression_ratio for row in members), 2, spread=True),
                mean_cell((row.bpv_volume for row in members), 3),
                mean_cell((row.bpv_region for row in members), 3),
                mean_cell((row.psnr_db for row in members), 2),
                number(_mean(row.ssim for row in members), 4),
                largest_cell((row.max_error for row in members), 1),
                largest_cell((row.miss_rate for row in members), 4, 100),
                largest_cell((row.missed_voxels for row in members), 0),
                largest_cell((row.largest_missed_voxels for row in members), 0),
                largest_cell((row.brightest_dropped for row in members), 1),
                geometric_cell((row.encode_s for row in members), 3),
                geometric_cell((row.decode_s for row in members), 3),
                largest_cell((row.peak_memory_nbytes for row in members), 1, 1e-6),
            ]
        )
    return Table(_SUMMARY_COLUMNS, lines, breaks([line[0].text + line[1].text for line in lines]))


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
            cells += [
                geometric_cell(r.compression_ratio for r in by_kind.get(k, [])) for k in kinds
            ]
            cells += [mean_cell(r.psnr_db for r in by_kind.get(k, [])) for k in kinds]
            lines.append(cells)
    return Table(columns, lines, breaks([line[0].text for line in lines]))


def tests_table(tests: Sequence[PairedTest]) -> Table:
    """The paired tests; what is left after the correction stands out."""
    lines = []
    for test in tests:
        strong = test.p_holm is not None and test.p_holm < SIGNIFICANT
        names = (
            test.data_set,
            test.inner,
            test.level,
            test.protocol,
            test.quantity,
            test.pair,
        )
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
    return Table(
        _TEST_COLUMNS, lines, breaks(["".join(c.text for c in line[:3]) for line in lines])
    )


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


def breaks(keys: Sequence[str]) -> frozenset[int]:
    """Where a group of rows begins: its number, but the first."""
    return frozenset(at for at in range(1, len(keys)) if keys[at] != keys[at - 1])
