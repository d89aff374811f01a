"""Arrays that look like what the two 3-D coders are for."""

from __future__ import annotations

import numpy as np


def scan(shape: tuple[int, ...], seed: int = 3, noise: float = 4.0) -> np.ndarray:
    """A smooth body with an edge and noise, as float64 from about 0 to 400."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in shape), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in grid))
    body = np.where(radius < 1, 300 + 60 * np.cos(7 * grid[-1] + 3 * grid[0]), 5.0)
    return np.abs(body + noise * rng.standard_normal(shape))


def part(dtype: str, shape: tuple[int, ...], seed: int = 3, noise: float = 4.0) -> np.ndarray:
    """The same in any real dtype; floats are multiples of 0.25."""
    wanted = np.dtype(dtype)
    values = scan(shape, seed, noise)
    if wanted.kind == "b":
        return values > 150
    if wanted.kind == "f":
        return (np.rint(values * 4) / 4).astype(wanted)
    top = np.iinfo(wanted).max
    return np.clip(values if wanted.itemsize > 1 else values / 4, 0, top).astype(wanted)


def atlas(shape: tuple[int, ...], n: int, seed: int = 3) -> np.ndarray:
    """A map of labels: in the body of a scan the nearest of n places, from 1; 0 outside."""
    rng = np.random.default_rng(seed)
    jitter = rng.integers(-1, 2, (len(shape), *shape)) * (rng.random(shape) < 0.1)
    at = np.indices(shape) + jitter
    nearest, least = np.zeros(shape, int), np.full(shape, np.iinfo(int).max)
    for i, place in enumerate(rng.integers(0, shape, (n, len(shape)))):
        squares = sum((axis - one) ** 2 for axis, one in zip(at, place, strict=True))
        nearest, least = np.where(squares < least, i + 1, nearest), np.minimum(squares, least)
    return np.where(scan(shape, seed) > 150, nearest, 0)
