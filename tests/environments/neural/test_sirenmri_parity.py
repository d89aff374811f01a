"""Our sine network and its training give what the public implementation of SirenMRI gives."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from medroi.inner.neural.sirenmri import coordinates, evaluate, network
from medroi.inner.neural.sirenmri.architecture import Architecture
from medroi.inner.neural.sirenmri.network_faithful import train_faithful

TESTS = Path(__file__).parents[2]
sys.path.insert(0, str(TESTS))

from parity_recipe import PARITY, recipe_tensors  # noqa: E402

ARCHITECTURE = Architecture(dim_in=3)


@pytest.fixture(scope="module")
def reference():
    return dict(np.load(PARITY / "sirenmri.npz"))


@pytest.fixture(scope="module")
def weights():
    return recipe_tensors("sirenmri")


@pytest.fixture
def siren(weights):
    built = network.Siren(ARCHITECTURE)
    network.put_tensors(built, weights)
    return built


def test_the_recipe_gives_the_reference_weights(reference, weights):
    assert {name: values.shape for name, values in weights.items()} == ARCHITECTURE.manifest()
    found = [zlib.crc32(weights[name].tobytes()) for name in ARCHITECTURE.manifest()]
    assert found == reference["weight_crc32"].tolist()


def test_coordinates_are_bitwise_the_reference(reference):
    found = coordinates.grid(reference["grid_shape"].tolist())
    assert found.tobytes() == reference["coords_3d"].tobytes()
    train = coordinates.grid((16, 16, 16))[::101]
    assert train.tobytes() == reference["train_coords@101"].tobytes()


@pytest.mark.parametrize("case", ["3d", "first_axis"])
def test_outputs_are_within_1e_5_of_the_reference(reference, weights, siren, case):
    points, expected = reference[f"coords_{case}"], reference[f"out_{case}"]
    with torch.no_grad():
        found = siren(torch.from_numpy(points)).numpy()
    assert np.abs(found - expected).max() <= 1e-5
    decoded = evaluate.features_of(weights, ARCHITECTURE, points)
    assert np.abs(decoded - expected[:, 0]).max() <= 1e-5


def test_the_output_of_each_sine_layer_is_within_1e_5_of_the_reference(reference, siren):
    x = torch.from_numpy(reference["coords_3d"])
    with torch.no_grad():
        for layer, sine in enumerate(siren.net):
            x = sine(x)
            expected = reference[f"act{layer}_3d@17"]
            assert np.abs(x.numpy().reshape(-1)[::17] - expected).max() <= 1e-5


def test_twenty_steps_of_faithful_training_are_those_of_the_reference(reference, siren):
    volume = reference["volume_u8"].astype(np.float64)
    low, high = volume.min(), volume.max()
    features = torch.from_numpy(((volume - low) / (high - low)).astype(np.float32).reshape(-1, 1))
    points = torch.from_numpy(coordinates.grid(volume.shape))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trained = train_faithful(siren, points, features, lambda step: step < 20)
    finally:
        torch.set_num_threads(before)
    with torch.no_grad():
        predicted = siren(points)
    loss = float(torch.mean((predicted - features) ** 2))
    np.testing.assert_allclose([*trained.losses, loss], reference["train_loss"], rtol=1e-4)
    np.testing.assert_allclose(trained.psnrs, reference["train_psnr"], rtol=1e-4)
    assert np.abs(predicted.numpy() - reference["pred_after_20"]).max() <= 5e-5
    for name in ARCHITECTURE.manifest():
        expected = reference[f"after20/{name}@7"]
        for found in (trained.tensors[name], siren.state_dict()[name].numpy()):
            assert np.abs(found.reshape(-1)[::7] - expected).max() <= 5e-6
