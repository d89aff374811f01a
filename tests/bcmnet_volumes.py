"""Small volumes for BCM-Net, and weights by the parity recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from parity_recipe import recipe_tensors

# Shape, dtype, largest value, added.
CASES = {
    "odd": ((10, 5, 7), "|u1", 200, 0),
    "16 bits": ((3, 6, 8), "<u2", 65535, 0),
    "signed, big-endian": ((2, 4, 5), ">i2", 1500, -1000),
    "all of int16": ((2, 4, 4), "<i2", 65535, -32768),
    "signed bytes": ((1, 4, 3), "|i1", 200, -100),
    "one voxel": ((1, 1, 1), "|u1", 5, 0),
    "one row": ((9,), "<u2", 900, 0),
    "one slice": ((6, 1), "<u2", 900, 0),
    "four axes": ((2, 2, 3, 3), "<u2", 300, 0),
    "scaled floats": ((2, 4, 4), "<f4", 100, 0),
    "wide integers": ((2, 3, 4), "<i8", 3000, 10**12),
    "booleans": ((2, 3, 4), "|b1", 1, 0),
}


def volume(name: str) -> np.ndarray:
    """Waves with noise."""
    shape, dtype, top, added = CASES[name]
    grid = np.indices(shape).reshape(len(shape), -1)
    waves = sum(np.sin(axis / 2 + number) for number, axis in enumerate(grid))
    noise = np.random.default_rng(35).normal(0, 0.1, waves.size)
    values = np.rint(np.clip(0.5 + 0.2 * waves + noise, 0, 1) * top).reshape(shape)
    if np.dtype(dtype).kind == "f":
        return (values * np.float32(0.25)).astype(dtype)
    return (values.astype(np.int64) + added).astype(dtype)


def write_weights(folder: Path) -> Path:
    """A checkpoint of the recipe."""
    path = folder / "bcmnet.npz"
    np.savez(path, **recipe_tensors("bcmnet"))
    return path
