"""Training writes checkpoints that bcmnet loads, and learns what bcmnet stores."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medroi import training
from medroi.inner.neural import part as neural_part
from medroi.inner.neural.bcmnet.codec import Bcmnet
from medroi.inner.neural.bcmnet.layers import Layers
from medroi.training.bcmnet import bits_of
from medroi.training.slices import Sample, draw

ROOT = Path(__file__).parents[3]
SETTINGS = training.TrainSettings(bit_depth=8, side=16, batch=1, steps=4, learning_rate=3e-4)


def scan(seed: int, shape: tuple[int, int, int] = (11, 24, 20)) -> np.ndarray:
    """A bright body with noise, slices first."""
    random = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    body = 150.0 * (z * z + y * y + x * x < 0.8) + 20 * np.sin(9 * x) * np.cos(7 * y)
    return np.clip(body + random.normal(20, 4, shape), 0, 255).astype(np.int16)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def start() -> dict[str, np.ndarray]:
    return training.first_tensors(training.prepare(scan(0)).deviation)


def test_the_script_trains_on_a_folder_and_its_checkpoint_codes_without_loss(tmp_path, monkeypatch):
    for seed in range(2):
        image = nibabel.Nifti1Image(scan(seed).T, np.eye(4))
        nibabel.save(image, tmp_path / f"scan{seed}.nii.gz")
    path = ROOT / "benchmarks" / "train_bcmnet.py"
    spec = importlib.util.spec_from_file_location("train_bcmnet", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    weights = tmp_path / "weights.pth"
    arguments = ["--steps", "2", "--side", "16", "--batch", "1", "--keep-out", "scan1*"]
    monkeypatch.setattr(
        sys, "argv", ["train_bcmnet.py", str(tmp_path), "-o", str(weights), *arguments]
    )
    script.main()
    array = scan(3, (2, 6, 7))
    codec = Bcmnet(weights, bit_depth=8, verify=False)
    out = np.empty_like(array)
    codec.decode(memoryview(codec.encode(array)), out)
    assert out.tobytes() == array.tobytes()


def test_steps_lower_the_bits_of_what_was_seen(start):
    volume = training.prepare(scan(0))
    *earlier, (_, tensors) = training.train([volume], start, SETTINGS)
    sample = draw(volume, 16, np.random.default_rng(5))
    before, after = (
        float(
            bits_of(Layers({n: torch.from_numpy(a) for n, a in t.items()}), sample, SETTINGS, "cpu")
        )
        for t in (start, tensors)
    )
    assert len(earlier) == SETTINGS.steps - 1 and after < before
    assert not any(np.array_equal(start[name], tensors[name]) for name in start if "params" in name)


def test_what_training_lowers_is_what_the_codec_stores(start, tmp_path):
    array = scan(1, (1, 24, 20))
    training.write_checkpoint(start, tmp_path / "start.pth")
    coded = Bcmnet(tmp_path / "start.pth", bit_depth=8, verify=False).encode(array)
    stored = sum(map(len, neural_part.unpack(memoryview(coded)).sections[2:]))
    volume = training.prepare(array)
    sample = Sample(volume.exact[0], volume.lossy[0], None)
    layers = Layers({name: torch.from_numpy(values) for name, values in start.items()})
    with torch.inference_mode():
        ideal = float(bits_of(layers, sample, SETTINGS, "cpu")) / 8
    # Each of the four sub-images ends a list and a range coder.
    assert 0.98 * ideal < stored < 1.01 * ideal + 4 * 12


def test_every_role_of_a_slice_is_drawn():
    volume = training.prepare(scan(2))
    random = np.random.default_rng(0)
    samples = [draw(volume, 8, random) for _ in range(400)]
    assert {sample.references is None for sample in samples} == {True, False}
    assert all(sample.exact.shape == sample.lossy.shape == (8, 8) for sample in samples)
    odd = draw(training.prepare(scan(2, (3, 7, 5))), 64, random)
    assert odd.exact.shape == (6, 4)


def test_a_checkpoint_starts_another_training(start, tmp_path):
    name = training.write_checkpoint(start, tmp_path / "start.pth")
    assert len(name) == 32
    again = training.read_tensors(tmp_path / "start.pth")
    assert all(np.array_equal(again[key], start[key]) for key in start)
