"""Promises of the paired tests: known data with results of scipy and statsmodels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from medroi.compare.results import MatchedRow, ResultRow
from medroi.compare.statistics import holm, paired_t, paired_tests

# Student's sleep data (Biometrika 6, 1908): hours gained under two drugs.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_students_own_data_give_his_t():
    found = paired_t(FIRST, SECOND)
    assert found.t == pytest.approx(4.062127683382037, rel=1e-12)
    assert found.p == pytest.approx(0.002832890197384273, rel=1e-9)
    assert found.cohen_d == pytest.approx(1.2845575625910546, rel=1e-12)
    assert found.t == pytest.approx(stats.ttest_1samp(np.subtract(SECOND, FIRST), 0).statistic)


def test_order_turns_the_sign():
    assert paired_t(SECOND, FIRST).t == -paired_t(FIRST, SECOND).t


def test_there_is_no_test_of_one_pair_or_of_equal_differences():
    assert paired_t([1.0], [2.0]) is None
    assert paired_t([1.0, 2.0], [2.0, 3.0]) is None


def test_holm_is_that_of_statsmodels():
    # statsmodels 0.14: multipletests(..., method="holm")
    found = holm([0.01, 0.04, 0.03, 0.005, 0.2, 0.04])
    assert found == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.2, 0.12])
    assert holm([]) == []
    assert holm([0.7, 0.6]) == [1.0, 1.0]


def row(scan: str, region: str, ratio: float, **other) -> ResultRow:
    made = ResultRow(scan, "heads", "medroi", "zstd", "lossless", region, "ok")
    return dataclasses.replace(made, compression_ratio=ratio, **other)


def test_pairs_are_regions_of_one_scan():
    rows = [row(f"s{i}", "full", 1 + a) for i, a in enumerate(FIRST)]
    rows += [row(f"s{i}", "box", 1 + b) for i, b in enumerate(SECOND)]
    rows += [row("alone", "box", 100.0), row("bad", "full", 9.0, status="failed")]
    rows += [row("bad", "box", 1.0)]
    (test,) = paired_tests(rows)
    assert (test.pair, test.quantity, test.n) == ("full-box", "compression_ratio", 10)
    assert test.mean_difference == pytest.approx(np.mean(np.subtract(SECOND, FIRST)))
    assert test.p == test.p_holm == pytest.approx(0.002832890197384273)


def test_data_sets_are_tested_and_corrected_each_on_its_own():
    rng = np.random.default_rng(3)
    rows = []
    for data_set in ("heads", "breasts"):
        for i in range(5):
            for region, shift in (("full", 0), ("box", 0.2), ("mask", 0.4)):
                made = row(f"s{i}", region, 2 + shift + rng.random())
                rows.append(dataclasses.replace(made, data_set=data_set))
    tests = paired_tests(rows)
    alone = paired_tests([r for r in rows if r.data_set == "breasts"])
    assert [t.n for t in tests] == [5] * 6
    assert [t for t in tests if t.data_set == "breasts"] == alone


def test_files_of_one_quality_are_tested_as_such():
    rows = [row(f"s{i}", "full", 1 + a) for i, a in enumerate(FIRST)]
    rows += [row(f"s{i}", "box", 1 + b) for i, b in enumerate(SECOND)]
    matched = [MatchedRow(**dataclasses.asdict(r), matched_psnr_db=40.0) for r in rows]
    found = paired_tests([*rows, *matched])
    assert [test.protocol for test in found] == ["medroi", "matched quality"]
    assert found[0].p == found[1].p


def test_p_is_corrected_over_all_tests():
    rng = np.random.default_rng(2)
    rows = []
    for i in range(6):
        for region, shift in (("full", 0), ("box", 1), ("mask", 2)):
            values = shift + rng.random(2)
            rows.append(row(f"s{i}", region, 2 + values[0], encode_s=1 + values[1]))
    tests = paired_tests(rows)
    assert len(tests) == 6
    assert [t.p_holm for t in tests] == holm([t.p for t in tests])
    full_mask = next(t for t in tests if t.pair == "full-mask" and t.quantity == "encode_s")
    firsts = np.array([r.encode_s for r in rows if r.region == "full"])
    seconds = np.array([r.encode_s for r in rows if r.region == "mask"])
    assert full_mask.mean_ratio == pytest.approx(np.exp(np.mean(np.log(seconds / firsts))))
