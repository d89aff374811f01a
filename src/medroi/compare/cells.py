"""Cells of the tables of summary.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from medroi.compare.results import ResultRow

_NOTHING = "-"


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in rows)


def _numbers(rows: Sequence[ResultRow] | None, name: str) -> list[float]:
    found = [getattr(row, name) for row in rows or ()]
    return [value for value in found if value is not None]


def mean(rows: Sequence[ResultRow] | None, name: str, form: str) -> str:
    """The mean of a column's finite numbers."""
    finite = [value for value in _numbers(rows, name) if math.isfinite(value)]
    return format(sum(finite) / len(finite), form) if finite else _NOTHING


def geometric(rows: Sequence[ResultRow] | None, name: str, form: str) -> str:
    """The geometric mean of a column."""
    positive = [value for value in _numbers(rows, name) if value > 0]
    if not positive:
        return _NOTHING
    return format(math.exp(sum(map(math.log, positive)) / len(positive)), form)


def psnr(rows: Sequence[ResultRow] | None, name: str = "psnr_db") -> str:
    """The mean PSNR of scans that differ, and how many do not."""
    found = _numbers(rows, name)
    finite = [value for value in found if math.isfinite(value)]
    n_exact = len(found) - len(finite)
    if not finite:
        return "exact" if n_exact else _NOTHING
    text = f"{sum(finite) / len(finite):.2f}"
    return f"{text}, exact in {n_exact}" if n_exact else text


def megabytes(rows: Sequence[ResultRow] | None) -> str:
    """The most memory of any scan."""
    found = _numbers(rows, "peak_memory_nbytes")
    return f"{max(found) / 1e6:.0f}" if found else _NOTHING


def number(value: float | None, form: str) -> str:
    """One number."""
    return _NOTHING if value is None else format(value, form)
