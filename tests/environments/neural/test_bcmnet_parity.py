"""Our BCM-Net gives what the public implementation gives under the same weights."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from medroi.inner.neural.bcmnet import mixtures, model
from medroi.inner.neural.bcmnet.layers import Layers
from medroi.inner.neural.bcmnet.manifest import shapes

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))

import reference_torchac  # noqa: E402
from parity_recipe import facts, recipe_tensors  # noqa: E402

CASES = ("u8", "u16", "oneref", "noref", "wide")
TOLERANCE = {"theta": 1e-6}


@pytest.fixture(scope="module")
def tensors():
    return recipe_tensors("bcmnet")


@pytest.fixture(scope="module")
def reference():
    with np.load(TESTS / "parity" / "bcmnet.npz") as file:
        return dict(file)


class Run:
    """The network on one case, teacher forced."""

    def __init__(self, reference, tensors, case: str) -> None:
        self.case, self.reference = case, reference
        layers = Layers({name: torch.from_numpy(array) for name, array in tensors.items()})
        top = 2 ** facts("bcmnet")["cases_seed1"][case]["bit_depth"] - 1
        images = {
            name: torch.from_numpy(self[name].astype(np.float32) / np.float32(top))[None, None]
            for name in ("x_tilde", "ref_forward", "ref_backward")
            if f"{case}/{name}" in reference
        }
        forward = images.get("ref_forward")
        pair = None if forward is None else (forward, images.get("ref_backward", forward))
        residual = self["cur"].astype(np.int64) - self["x_tilde"]
        parts = [residual[row::2, column::2] for row, column in model.SUB_IMAGES]
        self.parts = [part.reshape(-1) for part in parts]
        stacked = torch.from_numpy(np.stack(parts).astype(np.float32))[None]
        with torch.inference_mode():
            context = model.context(layers, images["x_tilde"], pair)
            self.found = dict(context.features)
            for number in range(4):
                earlier = stacked[:, :number] if number else None
                self.found[f"params{number}"] = model.parameters(layers, context.ctx, earlier)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.reference[f"{self.case}/{name}"]

    def parameters(self, number: int) -> np.ndarray:
        """Of a sub-image, [voxels, 30]."""
        return self.found[f"params{number}"].permute(0, 2, 3, 1).reshape(-1, 30).numpy()

    def distribution(self, number: int) -> np.ndarray:
        """Distribution functions at all edges between levels, [voxels, levels + 1]."""
        edges = torch.arange(int(self["x_min"]), int(self["x_max"]) + 2) - 0.5
        logits, means, scales = torch.from_numpy(self.parameters(number))[..., None].chunk(3, 1)
        steep = torch.exp(-scales.clamp(min=-7))
        return (logits.softmax(1) * torch.sigmoid((edges - means) * steep)).sum(1).numpy()


@pytest.fixture(scope="module", params=CASES)
def run(request, reference, tensors) -> Run:
    return Run(reference, tensors, request.param)


def test_the_recipe_gives_the_reference_weights(tensors, reference):
    assert {name: array.shape for name, array in tensors.items()} == shapes()
    assert [zlib.crc32(array.tobytes()) for array in tensors.values()] == reference[
        "weight_crc32"
    ].tolist()


def test_every_feature_and_parameter_is_that_of_the_reference(run):
    compared = 0
    for name, found in run.found.items():
        for key, expected in run.reference.items():
            case, _, rest = key.partition("/")
            feature, _, every = rest.partition("@")
            if (case, feature) == (run.case, name):
                close = found.reshape(-1).numpy()[:: int(every or 1)]
                assert np.abs(close - expected.reshape(-1)).max() <= TOLERANCE.get(name, 3e-4)
                compared += 1
    assert compared == {"noref": 9}.get(run.case, 13)


def test_distributions_and_ideal_lengths_are_those_of_the_reference(run):
    if run.case == "u8":
        rows = run.distribution(0)[::485]
        assert np.abs(rows - run["cdf0_rows@485"]).max() <= 5e-5
    for number, symbols in enumerate(run.parts):
        cdf = run.distribution(number)
        index, each = symbols - int(run["x_min"]), np.arange(symbols.size)
        share = cdf[each, index + 1].astype(np.float64) - cdf[each, index]
        assert -np.log2(share).sum() == pytest.approx(run["bits_float_cdf"][number], rel=1e-5)
        table = reference_torchac.integer_tables(cdf)
        share = (table[each, index + 1] - table[each, index]) / 65536
        # An entry at a rounding tie changes the cost of an unlikely symbol by a tenth of a bit.
        bits = pytest.approx(run["bits_int_cdf"][number], rel=1e-5, abs=0.3)
        assert -np.log2(share).sum() == bits


def test_the_public_coder_writes_as_many_bytes_under_our_tables(run):
    for number, symbols in enumerate(run.parts):
        table = reference_torchac.integer_tables(run.distribution(number))
        indices = (symbols - int(run["x_min"])).tolist()
        coded = reference_torchac.encode(table, indices)
        assert abs(len(coded) - int(run["bytes"][number])) <= 2
        assert reference_torchac.decode(table, coded) == indices


def test_integer_mixtures_cost_what_the_exact_ones_do(run):
    low, high = (int(run[name]) for name in ("x_min", "x_max"))
    for number, symbols in enumerate(run.parts):
        places = mixtures.on_grid(run.parameters(number).astype(np.float64))
        integers = mixtures.decide(places, mixtures.find_doubts(places))
        limits = (np.full(symbols.size, limit, np.int32) for limit in (low, high))
        coded = mixtures.coder(integers, *limits).encode(symbols.astype(np.int32))
        # What lies outside the range is folded in: that can only help.
        assert 8 * len(coded) <= 1.003 * float(run["bits_float_cdf"][number]) + 64
