"""Estimates of noise are right where it is known, and the page says what was found."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).parent.parent
SHAPE = (18, 60, 60)


def module(name: str) -> Any:
    if str(ROOT / "benchmarks") not in sys.path:
        sys.path.insert(0, str(ROOT / "benchmarks"))
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def noise() -> Any:
    return module("noise_entropy")


def white(sigma: float, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(5).normal(0, sigma, shape)


def whole(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.int32)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0, 50.0, 1000.0])
def test_the_entropy_of_rounded_noise_is_that_of_its_histogram(noise, sigma: float) -> None:
    drawn = np.random.default_rng(1).normal(0, sigma, 10**6)
    drawn += np.random.default_rng(2).uniform(-0.5, 0.5)
    shares = np.unique(np.rint(drawn), return_counts=True)[1] / len(drawn)
    found = float(noise.gaussian_bits(np.array([sigma]))[0])
    # Of small noise, it depends on where between two whole numbers the mean lies.
    within = 0.02 if sigma > 1 else 0.2
    assert found == pytest.approx(float(-np.sum(shares * np.log2(shares))), abs=within)


def test_noise_on_a_slope_is_found_in_flat_places(noise) -> None:
    slope = 1000 + 0.4 * np.indices(SHAPE).sum(0)
    found = noise.from_flat_places(whole(slope + white(3.0)))
    expected = float(noise.gaussian_bits(np.array([3.0]))[0])
    assert found.alone_bpv == pytest.approx(expected, abs=0.05)
    assert found.limit_bpv == pytest.approx(expected, abs=0.08)


def test_what_neighbours_say_of_correlated_noise_is_no_entropy(noise) -> None:
    drawn = white(1.0, (18, 120, 120))
    blurred = gaussian_filter(drawn, (0, 0.6, 0.6), mode="wrap")
    blurred *= 10 / blurred.std()
    power = (np.abs(np.fft.fft2(blurred)) ** 2).mean(0)
    # Kolmogorov: the variance that no prediction from the past leaves out.
    left = np.exp(np.mean(np.log(power))) / np.mean(power)
    expected = float(noise.gaussian_bits(np.array([10 * np.sqrt(left)]))[0])
    found = noise.from_flat_places(whole(1000 + blurred))
    assert found.limit_bpv == pytest.approx(expected, abs=0.15)
    assert found.alone_bpv > found.limit_bpv + 0.1


def test_constant_voxels_count_nothing(noise) -> None:
    volume = whole(1000 + white(3.0))
    full = noise.from_flat_places(volume)
    volume[:, :30] = 0
    assert noise.from_flat_places(volume).limit_bpv == pytest.approx(full.limit_bpv / 2, rel=0.1)


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("n_coils", [1, 2])
def test_the_noise_of_air_is_found_with_its_coils(noise, n_coils: int, is_cut: bool) -> None:
    channels = np.random.default_rng(6).normal(0, 2.0, (2 * n_coils, *SHAPE))
    channels[0, :, 12:48, 12:48] += 300
    magnitude = np.sqrt((channels**2).sum(0))
    volume = np.floor(magnitude).astype(np.int32) if is_cut else whole(magnitude)
    law, _ = noise.air_of(volume)
    assert law.sigma == pytest.approx(2.0, rel=0.03)
    assert (law.n_coils, law.is_cut) == (n_coils, is_cut)
    shares = np.unique(volume[:, :10], return_counts=True)[1] / volume[:, :10].size
    air_bits = float(-np.sum(shares * np.log2(shares)))
    tissue_bits = float(noise.gaussian_bits(np.array([2.0]))[0])
    tissue_share = 36 * 36 / (60 * 60)
    expected = air_bits + tissue_share * (tissue_bits - air_bits)
    assert noise.from_air(volume).alone_bpv == pytest.approx(expected, abs=0.08)


def test_a_scan_without_noisy_air_has_no_estimate_from_it(noise) -> None:
    volume = whole(1000 + white(3.0))
    assert noise.from_air(volume) is None
    volume[:, :30] = 0
    assert noise.from_air(volume) is None


def test_drift_is_no_noise_of_a_series(noise) -> None:
    times = np.arange(20).reshape(-1, 1, 1, 1)
    tissue = 1000 + 30 * np.random.default_rng(7).normal(size=(9, 30, 30))
    series = whole(tissue + 5 * times + white(4.0, (20, 9, 30, 30)))
    expected = float(noise.gaussian_bits(np.array([4.0]))[0])
    assert noise.from_repeats(series).alone_bpv == pytest.approx(expected, abs=0.03)


def rows_of(name: str) -> list[dict[str, str]]:
    with (ROOT / "benchmarks" / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["limit", "small_chunks"])
def test_the_page_has_the_table_of_the_benchmark(name: str) -> None:
    rows = rows_of(f"{name}.csv")
    assert all(row["exact"] == "True" for row in rows)
    assert module(name).table(rows) in (ROOT / "docs/limit.md").read_text()


def test_the_page_says_how_far_max_is_above_the_noise() -> None:
    means = module("limit").means_of(rows_of("limit.csv"))
    over: dict[str, float] = {}
    for (data_set, _), mean in means.items():
        found = 100 * (mean["max_bpv"] / mean["limit_bpv"] - 1)
        over[data_set] = max(found, over.get(data_set, found))
    page = " ".join((ROOT / "docs/limit.md").read_text().split())
    assert f"{round(min(over.values()))} to {round(max(over.values()))} % above the lowest" in page


def test_the_page_says_which_estimates_lie_above_what_max_needs() -> None:
    below = [row for row in rows_of("limit.csv") if float(row["max_over_limit"]) < 1]
    assert {row["estimate"] for row in below} == {"flat places"}
    share = 100 * (1 - min(float(row["max_over_limit"]) for row in below))
    page = " ".join((ROOT / "docs/limit.md").read_text().split())
    expected = f"In {len(below)} scans *max* is below that from flat places, by up to {share:.0f} %"
    assert expected in page


def test_the_page_says_what_a_learned_coder_takes() -> None:
    rows = rows_of("coders_learned.csv")
    nbytes = {(row["volume"], row["codec"]): int(row["bytes"]) for row in rows}
    assert "tomoz 0.2" in rows[0]["versions"]
    page = " ".join((ROOT / "docs/limit.md").read_text().split())
    shares = {
        level: [
            found / nbytes[volume, "tomoz"]
            for (volume, codec), found in nbytes.items()
            if codec == f"predict3d-{level}"
        ]
        for level in ("max", "dense")
    }
    least, most = min(shares["max"]), max(shares["max"])
    assert f"*max* takes {least:.2f} to {most:.3f} of its bytes" in page
    assert f"and *dense* {min(shares['dense']):.2f} to {max(shares['dense']):.3f}" in page
