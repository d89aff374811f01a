"""A small network of neural2d, its weights from their names, and what it codes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from parity_recipe import noise

from medroi.inner.neural.neural2d.sizes import Sizes

SIZES = Sizes(4, 6, 3, 8)


def small_tensors(seed: int = 1) -> dict[str, np.ndarray]:
    """Latents of several steps each, from images of 0 to 1."""
    from medroi.inner.neural.neural2d.sizes import shapes_of

    tensors = {}
    for name, shape in shapes_of(SIZES).items():
        values = noise(seed, name, shape)
        if len(shape) == 4:
            gains = {"analysis.conv2.weight": 12.0, "synthesis.conv0.weight": 0.1}
            gain = gains.get(name, 1.4)
            values = values * gain / math.sqrt(math.prod(shape[1:]))
        elif name.endswith("gamma"):
            values = 0.3 * np.eye(*shape) + 0.05 * values
        else:
            values = 0.1 * values + (1.0 if name.endswith(("beta", "scale")) else 0.0)
        tensors[name] = values.astype(np.float32)
    tensors["synthesis.conv2.bias"] += np.float32(0.5)
    return tensors


def write_weights(folder: Path, seed: int = 1) -> Path:
    """A file that both this package and the tests' subprocesses read."""
    path = folder / f"neural2d-{seed}.npz"
    np.savez(path, **small_tensors(seed))
    return path


def scan(dtype: str = "<i2", shape: tuple[int, ...] = (5, 45, 70)) -> np.ndarray:
    """A bright blob with texture, in the middle of air."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[-1 : 1 : shape[-2] * 1j, -1 : 1 : shape[-1] * 1j]
    blob = np.clip(1.2 - 2 * (y * y + x * x), 0, 1)
    return (blob * 900 + (blob > 0) * rng.normal(0, 20, shape)).clip(0, 2000).astype(dtype)
