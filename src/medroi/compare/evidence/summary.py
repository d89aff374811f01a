"""The evidence as a table of summary.md, and as tables of the page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from medroi.compare import cells, notes
from medroi.compare.evidence.rows import EvidenceRow
from medroi.compare.page_tables import breaks
from medroi.compare.subject import REGIONS
from medroi.pages.cells import Cell, Column, Table, mean_cell, number, text


def _most(values: Sequence[float]) -> float:
    return max(values, key=abs)


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A column of the evidence.

    Attributes
    ----------
    name : str
        Of the field of `EvidenceRow`.
    title, unit : str
    digits : int
        Behind the point, after scaling.
    scale : float
    over_scans : callable
        Makes one number of those of all scans; the worst where an average would hide it.
    """

    name: str
    title: str
    unit: str = ""
    digits: int = 2
    scale: float = 1.0
    over_scans: Callable[[Sequence[float]], float] = fmean

    def values(self, rows: Iterable[EvidenceRow]) -> list[float]:
        """Finite numbers of rows, scaled."""
        found = [getattr(row, self.name) for row in rows]
        return [self.scale * v for v in found if v is not None and math.isfinite(v)]

    def of(self, rows: Iterable[EvidenceRow]) -> float | None:
        """One number for all rows; None where there is none."""
        values = self.values(rows)
        return self.over_scans(values) if values else None


QUANTITIES = (
    Quantity("error_per_noise", "error / noise"),
    Quantity("max_error", "largest error", "most", 0, over_scans=max),
    Quantity("spectrum_low", "spectrum, low"),
    Quantity("spectrum_middle", "middle"),
    Quantity("spectrum_high", "high"),
    Quantity("residual_autocorrelation", "error beside itself"),
    Quantity("vif", "VIF", digits=3),
    Quantity("haarpsi", "HaarPSI", digits=3),
    Quantity("volume_change", "volume of a class", "%, most", 2, 100, max),
    Quantity("least_dice", "Dice of a class", "least", 3, over_scans=min),
    Quantity("mean_shift", "mean", "sd, most", 3, over_scans=_most),
    Quantity("sd_change", "sd", "%, most", 1, 100, _most),
    Quantity("contrast_change", "contrast", "%, most", 1, 100, _most),
    Quantity("energy_change", "energy", "%, most", 1, 100, _most),
)


def grouped(rows: Iterable[EvidenceRow]) -> dict[tuple[str, str, str], list[EvidenceRow]]:
    """Rows by codec, level and region, in their order."""
    found: dict[tuple[str, str, str], list[EvidenceRow]] = {}
    for row in rows:
        found.setdefault((row.inner, row.level, row.region), []).append(row)
    return found


def evidence_section(rows: Sequence[EvidenceRow]) -> list[str]:
    """Heading, table and note for summary.md; nothing where no codec lost anything.

    Parameters
    ----------
    rows : sequence of EvidenceRow
        Those of one data set. The table has the region furthest from the full volume.
    """
    present = [region for region in REGIONS if any(row.region == region for row in rows)]
    if not present:
        return []
    header = ["codec", "setting", "n"]
    header += [f"{q.title} ({q.unit})" if q.unit else q.title for q in QUANTITIES]
    lines = [
        [inner, level, str(len(members))]
        + [cells.number(q.of(members), f".{q.digits}f") for q in QUANTITIES]
        for (inner, level, region), members in grouped(rows).items()
        if region == present[-1]
    ]
    return [f"### Evidence, {present[-1]}", cells.table(header, lines), notes.EVIDENCE]


def evidence_table(rows: Iterable[EvidenceRow]) -> Table:
    """All regions of one data set, for the page."""
    columns = [Column(name, numeric=False) for name in ("inner codec", "level", "region")]
    columns += [Column("scans"), *(Column(q.title, q.unit) for q in QUANTITIES)]
    groups = grouped(rows)
    lines = [
        [*map(text, names), number(len(members), 0), *(_cell(q, members) for q in QUANTITIES)]
        for names, members in groups.items()
    ]
    return Table(columns, lines, breaks(["".join(names[:2]) for names in groups]))


def _cell(quantity: Quantity, rows: Sequence[EvidenceRow]) -> Cell:
    if quantity.over_scans is fmean:
        return mean_cell(quantity.values(rows), quantity.digits)
    return number(quantity.of(rows), quantity.digits)
