"""summary.md: the tables, and under each the sentence that a careful reader needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medroi.compare import cells, notes
from medroi.compare.evidence.rows import EvidenceRow
from medroi.compare.evidence.summary import evidence_section
from medroi.compare.results import Failure, MatchedRow, PairedTest, ResultRow
from medroi.compare.subject import REGIONS
from medroi.compare.tables_dropped import dropped_section

# A test of two scans has one degree of freedom: it is in tests.csv, and tells nobody anything.
_LEAST_PAIRS = 3
_Groups = dict[tuple[str, str], dict[str, list[ResultRow]]]


def summary_markdown(
    rows: Sequence[ResultRow],
    tests: Sequence[PairedTest],
    matched: Sequence[MatchedRow] = (),
    failures: Sequence[Failure] = (),
    machine: Mapping[str, Any] | None = None,
    title: str = "Full, box and mask compared",
    evidence: Sequence[EvidenceRow] = (),
) -> str:
    """The tables of a comparison as Markdown.

    Parameters
    ----------
    rows, tests, matched, failures, evidence
        What the CSV files hold.
    machine : mapping, optional
        What machine.json holds.
    title : str
        The heading.
    """
    sections = [f"# {title}", _about(rows, machine)]
    for data_set in _data_sets(rows):
        own = [row for row in rows if row.data_set == data_set and row.status == "ok"]
        n_scans = len({row.scan for row in own})
        sections.append(f"## {data_set}: {n_scans} scan{'s' if n_scans > 1 else ''}")
        sections += _ratio_section(_grouped(own, "medroi"))
        sections += dropped_section(row for row in own if row.protocol == "medroi")
        sections += _matched_section([row for row in matched if row.data_set == data_set])
        sections += evidence_section([row for row in evidence if row.data_set == data_set])
        sections += _published_section(_grouped(own, "published"), _grouped(own, "medroi"))
        sections += _times_section(_grouped(own, "medroi"))
        sections += _tests_section([test for test in tests if test.data_set == data_set])
    sections += _without_section(rows, failures)
    sections.append(notes.DEFINITIONS)
    return "\n\n".join(section for section in sections if section) + "\n"


def _about(rows: Sequence[ResultRow], machine: Mapping[str, Any] | None) -> str:
    text = (
        "Written by `medroi compare`. Every figure of one scan is in results.csv, matched.csv and "
        "tests.csv."
    )
    if not machine:
        return text
    return (
        f"{text} medroi {machine.get('medroi')} ({machine.get('commit') or 'no commit'}), Python "
        f"{machine.get('python')}, {machine.get('processor')}, {machine.get('cores')} cores."
    )


def _data_sets(rows: Iterable[ResultRow]) -> list[str]:
    return list(dict.fromkeys(row.data_set for row in rows if row.original_nbytes is not None))


def _grouped(rows: Iterable[ResultRow], protocol: str) -> _Groups:
    """Rows of a protocol by method, then by region."""
    found: _Groups = {}
    for row in rows:
        if row.protocol == protocol:
            regions = found.setdefault((row.inner, row.level), {})
            regions.setdefault(row.region, []).append(row)
    return found


def _ratio_section(groups: _Groups) -> list[str]:
    if not groups:
        return []
    present = _present(groups)
    header = ["codec", "setting", "n"]
    header += [f"CR {r}" for r in present] + [f"PSNR {r}" for r in present]
    header += [f"PSNR inside {present[-1]}"]
    header += [f"SSIM {r}" for r in present] + [f"bpv {present[-1]}"]
    lines = []
    for (inner, level), regions in groups.items():
        line = [inner, level, str(max(map(len, regions.values())))]
        line += [cells.geometric(regions.get(r), "compression_ratio", ".3g") for r in present]
        line += [cells.psnr(regions.get(r)) for r in present]
        line += [cells.psnr(regions.get(present[-1]), "psnr_region_db")]
        line += [cells.mean(regions.get(r), "ssim", ".4f") for r in present]
        line.append(cells.mean(regions.get(present[-1]), "bpv_volume", ".3g"))
        lines.append(line)
    return ["### At the codecs' settings", cells.table(header, lines), notes.RATIO]


def _matched_section(rows: Sequence[MatchedRow]) -> list[str]:
    groups: dict[tuple[str, str], dict[str, dict[str, MatchedRow]]] = {}
    for row in rows:
        scans = groups.setdefault((row.inner, row.level), {})
        scans.setdefault(row.scan, {})[row.region] = row
    lines = []
    for (inner, level), scans in groups.items():
        wanted = [r["full"].matched_psnr_db or 0 for r in scans.values() if "full" in r]
        if wanted:
            lines.append([inner, level, str(len(wanted)), f"{sum(wanted) / len(wanted):.1f}"])
            lines[-1] += [_gain(scans.values(), region) for region in ("box", "mask")]
    if not lines:
        return []
    header = ["codec", "setting of full", "n", "PSNR of all", "full / box", "full / mask"]
    return ["### At matched quality", cells.table(header, lines), notes.MATCHED]


def _gain(scans: Iterable[Mapping[str, MatchedRow]], region: str) -> str:
    """Bytes of full over bytes of a region."""
    gains, n_without = [], 0
    for regions in scans:
        full, other = regions.get("full"), regions.get(region)
        if full and other and full.stored_nbytes and other.stored_nbytes and other.status == "ok":
            gains.append(full.stored_nbytes / other.stored_nbytes)
        elif other:
            n_without += 1
    if not gains:
        return "not reached" if n_without else "-"
    middle = math.exp(sum(map(math.log, gains)) / len(gains))
    spread = f" ({min(gains):.3f} to {max(gains):.3f})" if len(gains) > 1 else ""
    return f"{middle:.3f}{spread}" + (f", {n_without} not reached" if n_without else "")


def _published_section(published: _Groups, ours: _Groups) -> list[str]:
    if not published:
        return []
    lines = []
    for method, regions in published.items():
        other = ours.get(method, {})
        line = [*method]
        for found in (regions, other):
            for name, form, describe in (
                ("compression_ratio", ".4g", cells.geometric),
                ("psnr_db", ".2f", cells.mean),
            ):
                pair = [describe(found.get(region), name, form) for region in ("full", "box")]
                line.append(" -> ".join(pair))
        line.append(cells.mean(regions.get("box"), "miss_rate", ".2%"))
        lines.append(line)
    header = [
        "codec",
        "setting",
        "published: CR full -> box",
        "published: PSNR",
        "ours: CR full -> box",
        "ours: PSNR",
        "signal outside the published box",
    ]
    heading = "### By the publication's definitions, beside ours"
    return [heading, cells.table(header, lines), notes.PUBLISHED]


def _times_section(groups: _Groups) -> list[str]:
    timed = {
        method: regions
        for method, regions in groups.items()
        if any(row.encode_s is not None for found in regions.values() for row in found)
    }
    if not timed:
        return []
    present = _present(timed)
    header = ["codec", "setting"] + [f"encode {r}" for r in present]
    header += [f"decode {r}" for r in present] + [f"MB {r}" for r in present]
    lines = []
    for (inner, level), regions in timed.items():
        line = [inner, level]
        line += [cells.geometric(regions.get(r), "encode_s", ".3g") for r in present]
        line += [cells.geometric(regions.get(r), "decode_s", ".3g") for r in present]
        line += [cells.megabytes(regions.get(r)) for r in present]
        lines.append(line)
    counts = {
        sum(row.encode_s is not None for row in found)
        for regions in timed.values()
        for found in regions.values()
    }
    return [
        "### Time and memory",
        cells.table(header, lines),
        f"{notes.TIMES} Scans timed: {max(counts)}.",
    ]


def _tests_section(tests: Sequence[PairedTest]) -> list[str]:
    tested = [test for test in tests if test.p is not None and test.n >= _LEAST_PAIRS]
    if not tested:
        return []
    header = [
        "codec",
        "setting",
        "protocol",
        "quantity",
        "pair",
        "n",
        "ratio",
        "t",
        "p (Holm)",
        "d",
    ]
    lines = [
        [
            test.inner,
            test.level,
            test.protocol,
            test.quantity,
            test.pair,
            str(test.n),
            cells.number(test.mean_ratio, ".3f"),
            cells.number(test.t, ".2f"),
            cells.number(test.p_holm, ".2g"),
            cells.number(test.cohen_d, ".2f"),
        ]
        for test in tested
    ]
    return ["### Paired tests", cells.table(header, lines), notes.TESTS]


def _without_section(rows: Iterable[ResultRow], failures: Iterable[Failure]) -> list[str]:
    """List what has no figures, and why."""
    lines = dict.fromkeys(
        (f"{row.inner} {row.level}", f"{row.scan}, {row.region}", row.status)
        for row in rows
        if row.status != "ok"
    )
    listed = [list(line) for line in lines] + [["-", f.path, f.reason] for f in failures]
    if not listed:
        return []
    return ["## Without figures", cells.table(["codec", "of", "why"], listed)]


def _present(groups: _Groups) -> list[str]:
    return [region for region in REGIONS if any(region in found for found in groups.values())]
