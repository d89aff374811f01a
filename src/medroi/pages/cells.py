"""Tables as values: columns with units, and cells that know their text and how they sort."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

NOTHING, MINUS, TIMES = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


@dataclasses.dataclass(frozen=True)
class Column:
    """Title and unit of a column; numbers are aligned right."""

    title: str
    unit: str = ""
    numeric: bool = True


@dataclasses.dataclass(frozen=True)
class Cell:
    """Text of a cell, its key for sorting (None: last), and whether it stands out."""

    text: str
    sort: float | str | None = None
    strong: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; a line is drawn above each row whose number is in `breaks`."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    breaks: frozenset[int] = frozenset()


def text(value: str) -> Cell:
    """A cell of words."""
    return Cell(value, value.lower())


def number(value: float | None, digits: int = 2, strong: bool = False) -> Cell:
    """A cell of one number with so many digits behind the point."""
    if value is None or math.isnan(value):
        return Cell(NOTHING)
    return Cell(_shown(value, digits), value, strong)


def percent(value: float | None, digits: int = 1, strong: bool = False) -> Cell:
    """A cell of a share, as a percentage."""
    return number(None if value is None else 100 * value, digits, strong)


def probability(value: float | None, strong: bool = False) -> Cell:
    """A cell of a p-value."""
    if value is None or math.isnan(value):
        return Cell(NOTHING)
    return Cell("< 0.0001" if value < 1e-4 else f"{value:.4f}", value, strong)


def mean_cell(values: Iterable[float | None], digits: int = 2, scale: float = 1.0) -> Cell:
    """Mean and standard deviation of what there is.

    Infinities (the PSNR of what came back exactly) are counted, and never averaged.
    """
    found = [value * scale for value in values if value is not None]
    finite = [value for value in found if math.isfinite(value)]
    if not found:
        return Cell(NOTHING)
    if not finite:
        return Cell("∞", math.inf)
    mean = fmean(finite)
    shown = _shown(mean, digits)
    if len(finite) > 1:
        shown += f" ± {_shown(stdev(finite), digits)}"
    if len(finite) < len(found):
        shown += f" ({len(found) - len(finite)} {TIMES} ∞)"
    return Cell(shown, mean)


def geometric_cell(values: Iterable[float | None], digits: int = 2, spread: bool = False) -> Cell:
    """Geometric mean of what there is, least and most behind it where asked for."""
    found = [value for value in values if value is not None and value > 0]
    if not found:
        return Cell(NOTHING)
    mean = geometric_mean(found)
    shown = _shown(mean, digits)
    if spread and len(found) > 1:
        shown += f" ({_shown(min(found), digits)} … {_shown(max(found), digits)})"
    return Cell(shown, mean)


def largest_cell(values: Iterable[float | None], digits: int = 2, scale: float = 1.0) -> Cell:
    """The largest of what there is."""
    found = [value * scale for value in values if value is not None]
    return number(max(found, default=None), digits)


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers, at least one."""
    return math.exp(fmean(math.log(value) for value in values))


def _shown(value: float, digits: int) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    return f"{value:.{digits}f}".replace("-", MINUS)
