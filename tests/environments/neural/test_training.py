"""Training writes checkpoints that bcmnet loads, and learns what bcmnet stores."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medroi import training
from medroi.errors import InvalidArgument
from medroi.inner.neural import part as neural_part
from medroi.inner.neural.bcmnet.codec import Bcmnet
from medroi.inner.neural.bcmnet.layers import Layers
from medroi.inner.neural.neural2d.codec import Neural2D
from medroi.inner.neural.neural2d.sizes import Sizes
from medroi.training.bcmnet import bits_of
from medroi.training.neural2d import Quality, costs
from medroi.training.neural2d import draw as draw_pair
from medroi.training.slices import Sample, draw

ROOT = Path(__file__).parents[3]
SETTINGS = training.TrainSettings(side=16, batch=1, steps=4, learning_rate=3e-4)
SMALL = Sizes(8, 12, 6, 16)


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
    return training.bcmnet.first_tensors(training.bcmnet.prepare(scan(0)).deviation)


def run_script(codec: str, folder: Path, *arguments: str) -> Path:
    """Train on two small scans, the second kept out; where the checkpoint is."""
    for seed in range(2):
        image = nibabel.Nifti1Image(scan(seed).T, np.eye(4))
        nibabel.save(image, folder / f"scan{seed}.nii.gz")
    path = ROOT / "benchmarks" / "train.py"
    spec = importlib.util.spec_from_file_location("train", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    weights = folder / "weights.pth"
    script.main([codec, str(folder), "-o", str(weights), "--keep-out", "scan1*", *arguments])
    return weights


def test_the_script_trains_on_a_folder_and_its_checkpoint_codes_without_loss(tmp_path):
    weights = run_script("bcmnet", tmp_path, "--steps", "2", "--side", "16", "--batch", "1")
    array = scan(3, (2, 6, 7))
    codec = Bcmnet(weights, bit_depth=8, verify=False)
    out = np.empty_like(array)
    codec.decode(memoryview(codec.encode(array)), out)
    assert out.tobytes() == array.tobytes()


def test_steps_lower_the_bits_of_what_was_seen(start):
    volume = training.bcmnet.prepare(scan(0))
    *earlier, (_, after_it) = training.bcmnet.train([volume], start, 8, SETTINGS)
    tensors = after_it()
    sample = draw(volume, 16, np.random.default_rng(5))
    before, after = (
        float(bits_of(Layers({n: torch.from_numpy(a) for n, a in t.items()}), sample, 8, "cpu"))
        for t in (start, tensors)
    )
    assert len(earlier) == SETTINGS.steps - 1 and after < before
    assert not any(np.array_equal(start[name], tensors[name]) for name in start if "params" in name)


def test_what_training_lowers_is_what_the_codec_stores(start, tmp_path):
    array = scan(1, (1, 24, 20))
    training.write_checkpoint("bcmnet", start, tmp_path / "start.pth")
    coded = Bcmnet(tmp_path / "start.pth", bit_depth=8, verify=False).encode(array)
    stored = sum(map(len, neural_part.unpack(memoryview(coded)).sections[2:]))
    volume = training.bcmnet.prepare(array)
    sample = Sample(volume.exact[0], volume.lossy[0], None)
    layers = Layers({name: torch.from_numpy(values) for name, values in start.items()})
    with torch.inference_mode():
        ideal = float(bits_of(layers, sample, 8, "cpu")) / 8
    # Each of the four sub-images ends a list and a range coder.
    assert 0.98 * ideal < stored < 1.01 * ideal + 4 * 12


def test_every_role_of_a_slice_is_drawn():
    volume = training.bcmnet.prepare(scan(2))
    random = np.random.default_rng(0)
    samples = [draw(volume, 8, random) for _ in range(400)]
    assert {sample.references is None for sample in samples} == {True, False}
    assert all(sample.exact.shape == sample.lossy.shape == (8, 8) for sample in samples)
    odd = draw(training.bcmnet.prepare(scan(2, (3, 7, 5))), 64, random)
    assert odd.exact.shape == (6, 4)


def test_a_checkpoint_starts_another_training(start, tmp_path):
    name = training.write_checkpoint("bcmnet", start, tmp_path / "start.pth")
    assert len(name) == 32
    again = training.read_tensors("bcmnet", tmp_path / "start.pth")
    assert all(np.array_equal(again[key], start[key]) for key in start)


def test_the_script_trains_neural2d_and_fine_tunes_what_it_wrote(tmp_path):
    few = ("--steps", "2", "--side", "32", "--batch", "2")
    weights = run_script("neural2d", tmp_path, *few)
    array = scan(3)
    out = np.empty_like(array)
    Neural2D.decode(memoryview(Neural2D(weights).encode(array)), out)
    first = Neural2D(weights).config()["weights"]
    again = run_script("neural2d", tmp_path, *few, "--start", str(weights))
    assert Neural2D(again).config()["weights"] != first
    with pytest.raises(InvalidArgument, match="another network"):
        run_script("bcmnet", tmp_path, *few, "--start", str(weights))


@pytest.fixture(scope="module")
def small() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A small network of neural2d before and after a little training."""
    quality, volume = Quality(), training.neural2d.prepare(scan(0, (16, 40, 40)))
    settings = training.TrainSettings(side=32, batch=4, steps=150, learning_rate=3e-3)
    start = training.neural2d.first_tensors(quality, SMALL)
    *_, (_, after_it) = training.neural2d.train([volume], start, quality, settings)
    return start, after_it()


@pytest.mark.parametrize("psnr_db", [36.0, 44.0])
def test_neural2d_starts_as_a_transform_codec_of_the_quality_asked_for(tmp_path, psnr_db):
    tensors = training.neural2d.first_tensors(Quality(psnr_db))
    training.write_checkpoint("neural2d", tensors, tmp_path / "start.pth")
    array = np.random.default_rng(5).integers(0, 4096, (2, 64, 64)).astype(np.uint16)
    out = np.empty_like(array)
    Neural2D.decode(memoryview(Neural2D(tmp_path / "start.pth").encode(array)), out)
    error = (out.astype(float) - array) / np.ptp(array)
    assert -10 * np.log10(np.mean(error**2)) == pytest.approx(psnr_db, abs=1.5)


def test_neural2d_learns_to_cost_less_at_every_step(small):
    quality, volume = Quality(), training.neural2d.prepare(scan(0, (16, 40, 40)))
    random = np.random.default_rng(7)
    pairs = torch.from_numpy(np.stack([draw_pair(volume, 32, random) for _ in range(8)]))
    for step in (0.25, 1.0, 4.0):
        prices = []
        for tensors in small:
            torch.manual_seed(1)
            learned = {name: torch.from_numpy(array) for name, array in tensors.items()}
            with torch.no_grad():
                bits, error = costs(learned, SMALL, pairs, torch.ones(8, dtype=torch.bool), step)
            prices.append(float(bits + quality.price(step) * error))
        assert prices[1] < 0.7 * prices[0]


def test_what_training_neural2d_lowers_bounds_what_the_codec_stores(small, tmp_path):
    path = tmp_path / "start.pth"
    training.write_checkpoint("neural2d", small[1], path)
    array = scan(1, (9, 64, 64))
    coded = Neural2D(path, step=2.0).encode(array)
    stored = 8 * sum(map(len, neural_part.unpack(memoryview(coded)).sections))
    volume = training.neural2d.prepare(array)
    pairs = torch.from_numpy(np.stack([volume[[max(0, k - 1), k]] for k in range(9)]))
    learned = {name: torch.from_numpy(values) for name, values in small[1].items()}
    torch.manual_seed(1)
    with torch.no_grad():
        bits, error = costs(learned, SMALL, pairs, torch.arange(9) > 0, 2.0)
    # Training charges noise where the codec rounds, and tails without an escape: more, not less.
    assert 0.8 * float(bits) * array.size < stored < 1.02 * float(bits) * array.size
    out = np.empty_like(array)
    Neural2D.decode(memoryview(coded), out)
    found = np.mean((training.neural2d.prepare(array) - (out - array.min()) / np.ptp(array)) ** 2)
    # Decoding clamps and rounds, which training does not see.
    assert found < 1.02 * float(error)


def test_pairs_are_neighbours_of_any_long_axis_in_either_order():
    random = np.random.default_rng(1)
    for shape, expected in (((40, 36, 34), {1, 34, 36 * 34}), ((5, 40, 34), {40 * 34})):
        volume = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        pairs = [draw_pair(volume, 32, random) for _ in range(100)]
        assert all(pair.shape == (2, 32, 32) for pair in pairs)
        steps = {float(step) for pair in pairs for step in np.unique(pair[1] - pair[0])}
        assert steps == expected | {-step for step in expected}
    assert draw_pair(volume[:1, :, :1], 32, random).shape == (2, 32, 32)
