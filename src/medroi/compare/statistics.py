"""Paired tests between regions, over the scans of a data set."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from medroi.compare.results import MatchedRow, PairedTest, ResultRow
from medroi.compare.subject import REGIONS
from medroi.scans.scan import require

QUANTITIES = ("compression_ratio", "encode_s", "decode_s")
# What the protocol of a test is called that compares files of the same PSNR.
MATCHED = "matched quality"

_Scans = dict[tuple[str, str], dict[str, ResultRow]]


@dataclasses.dataclass(frozen=True)
class Paired:
    """A paired two-sided t-test.

    Attributes
    ----------
    t, p : float
        Student's t of second - first, and its two-sided p.
    cohen_d : float
        The effect size of pairs, d_z: mean of the differences / their standard deviation (n - 1).
    """

    t: float
    p: float
    cohen_d: float


def paired_t(first: Sequence[float], second: Sequence[float]) -> Paired | None:
    """Test whether the mean of second - first is 0.

    Returns
    -------
    Paired or None
        None for fewer than two pairs, and where all differences are the same: there is no test.
    """
    stats = require("scipy.stats", "the paired tests", "compare")
    difference = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    if len(difference) < 2 or np.ptp(difference) == 0:
        return None
    found = stats.ttest_rel(second, first)
    d = float(difference.mean() / difference.std(ddof=1))
    return Paired(float(found.statistic), float(found.pvalue), d)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number by Holm's step-down method, in their order.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.
    """
    count, corrected, largest = len(p_values), [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def paired_tests(rows: Iterable[ResultRow]) -> list[PairedTest]:
    """All tests of a comparison: of each data set on its own, p corrected over all of its tests.

    Scans of different kinds are not thrown together: a mean over heads and breasts is of nothing.

    Parameters
    ----------
    rows : iterable of ResultRow or MatchedRow
        Only rows whose status is ok enter; a pair needs both regions of a scan.
    """
    groups: dict[tuple[str, str, str, str], _Scans] = {}
    for row in rows:
        if row.status == "ok":
            protocol = MATCHED if isinstance(row, MatchedRow) else row.protocol
            group = groups.setdefault((row.data_set, row.inner, row.level, protocol), {})
            group.setdefault((row.data_set, row.scan), {})[row.region] = row
    found: dict[str, list[PairedTest]] = {}
    for (data_set, inner, level, protocol), scans in groups.items():
        for quantity in QUANTITIES:
            empty = PairedTest(data_set, inner, level, protocol, quantity, "", 0)
            found.setdefault(data_set, []).extend(_tests_of(empty, scans))
    return [test for tests in found.values() for test in _corrected(tests)]


def _corrected(tests: list[PairedTest]) -> list[PairedTest]:
    tested = [i for i, test in enumerate(tests) if test.p is not None]
    corrected = holm([tests[i].p or 0.0 for i in tested])
    for place, p_holm in zip(tested, corrected, strict=True):
        tests[place] = dataclasses.replace(tests[place], p_holm=p_holm)
    return tests


def _tests_of(empty: PairedTest, scans: _Scans) -> list[PairedTest]:
    found = []
    for first, second in combinations(REGIONS, 2):
        pairs = [
            (getattr(regions[first], empty.quantity), getattr(regions[second], empty.quantity))
            for regions in scans.values()
            if first in regions and second in regions
        ]
        pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
        if pairs:
            named = dataclasses.replace(empty, pair=f"{first}-{second}", n=len(pairs))
            found.append(_tested(named, pairs))
    return found


def _tested(empty: PairedTest, pairs: list[tuple[float, float]]) -> PairedTest:
    first, second = (np.array(values, np.float64) for values in zip(*pairs, strict=True))
    test = paired_t(list(first), list(second))
    logs = np.log(second / first) if (first > 0).all() and (second > 0).all() else None
    return dataclasses.replace(
        empty,
        mean_difference=float((second - first).mean()),
        mean_ratio=None if logs is None else math.exp(float(logs.mean())),
        t=test.t if test else None,
        p=test.p if test else None,
        cohen_d=test.cohen_d if test else None,
    )
