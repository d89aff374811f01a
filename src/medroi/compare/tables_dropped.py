"""The table of summary.md of what each region drops, whatever the codec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medroi.compare import cells, notes
from medroi.compare.results import ResultRow
from medroi.compare.subject import REGIONS


def dropped_section(rows: Iterable[ResultRow]) -> list[str]:
    """Heading, table and note; nothing where no row has these figures.

    Parameters
    ----------
    rows : iterable of ResultRow
        Those of one data set by this project's own protocol.
    """
    found: dict[str, dict[str, ResultRow]] = {}
    for row in rows:
        if row.missed_voxels is not None:
            # Every codec has the same region: one row a scan says it.
            found.setdefault(row.region, {}).setdefault(row.scan, row)
    if not found:
        return []
    header = ["region", "n", "scans that miss any", "most missed", "of"]
    header += ["largest group", "brightest dropped"]
    lines = [_line(name, list(found[name].values())) for name in REGIONS if name in found]
    return ["### What the regions drop", cells.table(header, lines), notes.DROPPED]


def _line(region: str, rows: Sequence[ResultRow]) -> list[str]:
    missing = [row for row in rows if row.missed_voxels]
    worst = max(rows, key=lambda row: row.miss_rate or 0.0)
    dropped = [row.brightest_dropped for row in rows if row.brightest_dropped is not None]
    share, scan = "0", "-"
    if worst.missed_voxels:
        scan = worst.scan
        share = f"{100 * (worst.miss_rate or 0.0):.2g} % ({worst.missed_voxels} voxels)"
    groups = [row.largest_missed_voxels for row in rows if row.largest_missed_voxels is not None]
    largest = cells.number(max(groups, default=None), "d")
    brightest = cells.number(max(dropped, default=None), ".6g")
    return [region, str(len(rows)), str(len(missing)), share, scan, largest, brightest]
