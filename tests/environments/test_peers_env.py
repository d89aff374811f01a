"""Peers of the benchmarks that have no place in the main environment give back what they coded."""

from __future__ import annotations

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

coders, label_maps, label_peers = map(
    importlib.import_module, ("coders", "label_maps", "label_peers")
)
PEERS = label_peers.PEERS


SHAPE = (6, 40, 48)


def smooth_and_noisy(shape: tuple[int, ...]) -> np.ndarray:
    place = sum(np.indices(shape))
    return (300 + 2 * place + np.random.default_rng(3).normal(0, 4, shape)).astype(np.uint16)


def cells(dtype: str) -> np.ndarray:
    """Labels in balls, and background."""
    rng = np.random.default_rng(4)
    labels = np.zeros((14, 20, 24), dtype)
    for label in (1, 2, 77, 1024 % 256):
        away = np.indices(labels.shape) - rng.integers(0, labels.shape).reshape(3, 1, 1, 1)
        labels[(away**2).sum(0) < 30] = label
    return labels


def test_the_learned_coder_is_exact_and_in_the_table() -> None:
    # Rows are made of what came back exactly.
    rows = {row["codec"]: row for row in coders.lossless_rows("a", "b", smooth_and_noisy(SHAPE))}
    assert 0 < rows["tomoz"]["bytes"] < 2 * np.prod(SHAPE)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u4"])
@pytest.mark.parametrize("name", sorted(PEERS))
def test_a_coder_of_labels_is_exact(name: str, dtype: str) -> None:
    labels = cells(dtype)
    encode, decode = PEERS[name]
    decoded = np.asarray(decode(bytes(encode(labels)), labels))
    assert np.array_equal(decoded.reshape(labels.shape), labels)
    assert decoded.dtype == labels.dtype


def test_the_page_has_the_table_of_the_benchmark() -> None:
    with (ROOT / "benchmarks/label_maps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["exact"] == "True" for row in rows)
    assert label_maps.table(rows) in (ROOT / "docs/limit.md").read_text()
