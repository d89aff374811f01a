"""Tables of benchmarks: rows as CSV and as Markdown, and the mean of ratios."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def mean(values: Iterable[float]) -> float:
    """Geometric."""
    return float(np.exp(np.mean(np.log(list(values)))))


def write(rows: Sequence[Mapping[str, Any]], path: Path, columns: Sequence[str] = ()) -> None:
    """Rows as CSV; unless columns are named, all that a row has, in the order of the rows."""
    found = columns or list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, found, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def markdown(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Rows of cells as a table of a page."""
    rows = [list(header), *map(list, lines)]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
