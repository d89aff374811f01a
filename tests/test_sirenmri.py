"""Inner codec sirenmri where PyTorch is not: streams decode, encoding says what is missing.

What it promises with PyTorch is in tests/environments/neural.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from arrays import phantom, same_bits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medroi import MedROI, errors
from medroi.inner.neural import tables
from medroi.inner.neural.sirenmri import coordinates, evaluate, levels, quantised
from medroi.inner.neural.sirenmri.architecture import Architecture

GOLDENS = sorted((Path(__file__).parent / "golden" / "hosted").glob("v1-sirenmri-*.medroi"))
ARCHITECTURE = Architecture(3, 24, 3)


def make_tensors(architecture: Architecture = ARCHITECTURE, seed: int = 4) -> dict[str, np.ndarray]:
    """Initial values of a network."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(-1, 1, shape).astype(np.float32) * np.float32(architecture.bound(name))
        for name, shape in architecture.manifest().items()
    }


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_goldens_decode_without_torch(no_torch: None, path: Path) -> None:
    decoded = MedROI("sirenmri").decode(path.read_bytes())
    assert same_bits(decoded, np.load(path.with_suffix(".npz"))["array"])


def test_encoding_without_torch_says_what_to_install(no_torch: None) -> None:
    with pytest.raises(errors.InnerUnavailable, match=r"pip install medroi\[neural\]"):
        MedROI("sirenmri").encode(phantom())


@given(
    arrays.arrays(np.float64, 200, elements=st.floats(-0.2, 1.2)),
    st.sampled_from([1, 3, 255, 4095, 65535]),
    st.integers(0, 99),
)
def test_a_machine_off_by_2_to_the_minus_34_finds_the_same_levels(values, steps, seed) -> None:
    rng = np.random.default_rng(seed)
    values[:50] = (rng.integers(0, steps, 50) + 0.5) / steps + rng.uniform(-1, 1, 50) * 2.0**-33
    decided = levels.decide(iter([(slice(0, 200), values)]), 200, steps)
    elsewhere = values + rng.uniform(-1, 1, 200) * 2.0**-34
    found = levels.repeat(iter([(slice(0, 200), elsewhere)]), 200, steps, decided.near)
    assert np.array_equal(found, decided.places)
    assert levels.crc_of(found) == decided.crc


def test_few_voxels_of_a_network_are_near_an_edge() -> None:
    shape = (12, 12, 12)
    batches = evaluate.batches(make_tensors(), ARCHITECTURE, shape)
    decided = levels.decide(batches, 12**3, levels.MAX_LEVELS)
    assert decided.near.positions.size <= 4


def test_another_order_of_sums_changes_a_10_000th_of_the_margin_at_most() -> None:
    architecture = Architecture(3)
    tensors = make_tensors(architecture)
    assert 0 < evaluate.spread(tensors, architecture, (20, 20, 20)) < levels.MARGIN / 1e4


def test_a_grid_runs_from_minus_one_to_one_along_every_axis() -> None:
    points = coordinates.grid((3, 1, 2))
    assert points.dtype == np.float32
    assert points.tolist() == [[a, 0, b] for a in (-1, 0, 1) for b in (-1, 1)]


@pytest.mark.parametrize("bits", [6, 8, 12])
def test_symbols_come_back_and_cost_what_their_entropy_says(bits: int) -> None:
    architecture = Architecture(3, 128, 3)
    tensors = make_tensors(architecture)
    kept = quantised.quantise(tensors, quantised.steps_of(tensors, architecture, bits))
    heads, coded = quantised.pack(kept)
    found = quantised.unpack(memoryview(heads), memoryview(coded), architecture)
    assert dict(found.steps) == dict(kept.steps)
    assert all(np.array_equal(found.symbols[name], kept.symbols[name]) for name in tensors)
    rows = [quantised.histogram_of(symbols).row() for symbols in kept.symbols.values()]
    table = tables.stack_rows(rows, [0] * len(rows))
    charged = sum(
        table.bits(
            symbols - np.int32(quantised.histogram_of(symbols).first),
            np.full(symbols.shape, number, np.uint16),
        )
        for number, symbols in enumerate(kept.symbols.values())
    )
    assert charged / 8 <= len(coded) <= 1.001 * charged / 8 + 16


@given(
    arrays.arrays(np.int32, st.integers(1, 300), elements=st.integers(-(2**20), 2**20)),
)
def test_any_weights_get_a_sound_table(symbols: np.ndarray) -> None:
    row = quantised.histogram_of(symbols).row().astype(np.int64)
    assert row[0] == 0 and row[-1] == tables.WHOLE
    assert np.all(np.diff(row) > 0)
