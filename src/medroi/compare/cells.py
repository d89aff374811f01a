"""Cells of the tables of summary.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from medroi.compare.results import ResultRow


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)


def values(rows: Sequence[ResultRow] | None, name: str) -> list[float]:
    found = [getattr(row, name) for row in rows or ()]
    return [value for value in found if value is not None]


def mean(rows: Sequence[ResultRow] | None, name: str, form: str) -> str:
    values = [value for value in values(rows, name) if math.isfinite(value)]
    return format(sum(values) / len(values), form) if values else "-"


def geometric(rows: Sequence[ResultRow] | None, name: str, form: str) -> str:
    values = [value for value in values(rows, name) if value > 0]
    return format(math.exp(sum(map(math.log, values)) / len(values)), form) if values else "-"


def psnr(rows: Sequence[ResultRow] | None) -> str:
    values = values(rows, "psnr_db")
    if not values:
        return "-"
    finite = [value for value in values if math.isfinite(value)]
    n_exact = len(values) - len(finite)
    if not finite:
        return "exact"
    mean = f"{sum(finite) / len(finite):.2f}"
    return f"{mean}, exact in {n_exact}" if n_exact else mean


def megabytes(rows: Sequence[ResultRow] | None) -> str:
    values = values(rows, "peak_memory_nbytes")
    return f"{max(values) / 1e6:.0f}" if values else "-"


def number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
