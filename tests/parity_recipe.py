"""Deterministic weights and images for learned codecs: the recipe of tests/parity/README.md."""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PARITY = Path(__file__).parent / "parity"


def facts(model: str) -> dict[str, Any]:
    """What is known of a public implementation."""
    found: dict[str, Any] = json.loads((PARITY / f"{model}.json").read_text())
    return found


def noise(seed: int, name: str, shape: Sequence[int]) -> np.ndarray:
    """Nearly normal numbers from a name."""
    key = int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16], "little")
    raw = np.random.Philox(key=key).random_raw(math.prod(shape))
    quarters = raw.view(np.uint16).reshape(-1, 4).astype(np.int64).sum(axis=1)
    return ((quarters - 131070) / 37837.0).reshape(shape)


def _shaped(form: str, a: float, b: float, n: np.ndarray) -> np.ndarray:
    if form == "affine":
        return b + a * n
    if form == "fan":
        return b + (a / math.sqrt(math.prod(n.shape[1:]))) * n
    if form == "eye":
        return b * np.eye(n.shape[0]) + a * n
    if form == "pow2":
        return b * 2.0 ** np.floor(np.arange(n.size) * a / n.size) + 0.1 * n
    if form == "theta":
        return np.array([1.0, 0, 0, 0, 1, 0]) + a * n
    if form == "quantiles":
        middle = 0.3 * n[..., 1]
        return np.stack(
            [middle - b - a * np.abs(n[..., 0]), middle, middle + b + a * np.abs(n[..., 2])], -1
        )
    raise AssertionError(form)


def recipe_tensors(model: str, seed: int = 1) -> dict[str, np.ndarray]:
    """All random tensors of a model by name, float32; those of the form `keep` are left out."""
    found = facts(model)
    tensors = {}
    for entry in found["tensors"]:
        name, shape = entry[0], tuple(entry[1])
        rule = next(rule for rule in found["weight_rules"] if re.fullmatch(rule[0], name))
        if rule[1] != "keep":
            tensors[name] = _shaped(*rule[1:], noise(seed, name, shape)).astype(np.float32)
    return tensors


def crc32(tensor: np.ndarray) -> int:
    """CRC-32 of a tensor's little-endian bytes."""
    return zlib.crc32(np.ascontiguousarray(tensor, "<f4").tobytes())


def phantom(
    name: str,
    shape: tuple[int, int],
    top: int,
    texture: str | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
    seed: int = 1,
) -> np.ndarray:
    """The recipe's image: integers from 0 to `top`."""
    height, width = shape
    texture = texture or name
    y = ((np.arange(height)[:, None] + 0.5) / height - 0.5 - shift[0]) / 0.42
    x = ((np.arange(width)[None, :] + 0.5) / width - 0.5 - shift[1]) / 0.36
    r = y * y + x * x
    r2 = r * r
    r4 = r2 * r2
    body = 1.0 / (1.0 + r4 * r4)
    s = (r - 1.2) / 0.12
    ring = 1.0 / (1.0 + s * s)
    coarse = noise(seed, f"{texture}:coarse", (-(-height // 8), -(-width // 8)))
    coarse = np.kron(coarse, np.ones((8, 8)))[:height, :width]
    fine = noise(seed, f"{name}:fine", shape)
    value = body * (0.55 + 0.16 * coarse + 0.05 * fine) + 0.35 * ring + 0.01 * np.abs(fine)
    return np.floor(np.clip(value, 0, 1) * top + 0.5).astype(np.int64)
