"""Checkpoints of TCM for tests: the recipe's, and one so small that everything runs quickly."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import parity_recipe


def small_tensors(model: str) -> dict[str, np.ndarray]:
    """A network of N = 32, M = 80 and 32 hyper channels, its weights by the recipe's rules."""
    from medroi.inner.neural.tcm.network.loading import shapes_of
    from medroi.inner.neural.tcm.sizes import Sizes

    rules = parity_recipe.facts(model)["weight_rules"]
    sizes = Sizes(n=32, m=80, hyper_channels=32, auxiliary=model == "tcm_auxt")
    tensors = {}
    for name, shape in shapes_of(sizes).items():
        rule = next(rule for rule in rules if re.fullmatch(rule[0], name))
        noise = parity_recipe.noise(1, name, shape)
        tensors[name] = parity_recipe._shaped(*rule[1:], noise).astype(np.float32)
    return tensors


def write(tensors: dict[str, np.ndarray], path: Path) -> Path:
    """A file that both this package and the tests' subprocesses read."""
    np.savez(path, **tensors)
    return path
