"""Tensors of neural2d to start training from: a plain transform codec that the rest grows from."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.neural2d.sizes import Sizes, shapes_of
from medroi.training.loop import Tensors

# Of synthesis weights that a plain transform does not have, so that they start as almost nothing.
_ALMOST_NOTHING = 2e-3
_N_HALVINGS = 3
# What the network says of scales starts as little, in units of a few steps.
_FIRST_SCALES, _SCALE_UNIT = 0.1, 4.0


def first_tensors(step_error: float, sizes: Sizes, seed: int = 0) -> Tensors:
    """Weights of a Walsh-Hadamard transform of 8 x 8 pixels, beside random ones to learn with.

    Parameters
    ----------
    step_error : float
        Mean square error that the step 1 is to cause, of values from 0 to 1.
    sizes : Sizes
        With fewer than 16 inner channels or 64 latents the lowest frequencies alone are there.
    seed : int
    """
    random = np.random.default_rng(seed)
    found = {name: _random(name, shape, random) for name, shape in shapes_of(sizes).items()}
    channels = (1, sizes.inner, sizes.inner, sizes.latents)
    for level in range(_N_HALVINGS):
        _halve(found[f"analysis.conv{level}.weight"], channels[level], 4**level)
        _double(found[f"synthesis.conv{_N_HALVINGS - 1 - level}.weight"], 4**level)
    found["context.conv2.weight"][sizes.latents :] *= _FIRST_SCALES
    scaled = units(step_error, sizes)
    return {
        name: (values * scaled.get(name, 1.0)).astype(np.float32) for name, values in found.items()
    }


def units(step_error: float, sizes: Sizes) -> Tensors:
    """In what units the weights are that read or write latents, by name: others are in ones.

    A latent is counted in steps, of which there are many, and so such weights are very large or
    very small. Trained in these units they move as fast as the others.
    """
    # A quantiser errs by its step / sqrt(12), and the transform passes that on as it is.
    gain = np.float32(math.sqrt(12 * step_error))
    known = np.ones((1, sizes.hyper + sizes.latents + 1, 1, 1), np.float32)
    known[:, sizes.hyper : -1] = gain
    expected = np.full((2 * sizes.latents, 1, 1, 1), 1 / gain, np.float32)
    expected[sizes.latents :] = _SCALE_UNIT
    return {
        "analysis.conv2.weight": np.array(1 / gain, np.float32),
        "analysis.conv2.bias": np.array(1 / gain, np.float32),
        "synthesis.conv0.weight": np.array(gain, np.float32),
        "hyper_analysis.conv0.weight": np.array(gain, np.float32),
        "context.conv0.weight": known,
        "context.conv2.weight": expected,
        "context.conv2.bias": expected.reshape(-1),
    }


def _random(
    name: str, shape: tuple[int, ...], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    if name.endswith("gamma"):
        return 0.05 * np.eye(shape[0]) + 0.01
    if name.endswith(("beta", "hyper_scale")):
        return np.ones(shape)
    if len(shape) == 1:
        return np.zeros(shape)
    spread = _ALMOST_NOTHING if name.startswith("synthesis") else 1.0
    return random.standard_normal(shape) * spread / math.sqrt(math.prod(shape[1:]))


def _signs(kind: int) -> npt.NDArray[np.float64]:
    """One of the four orthonormal patterns of 2 x 2 pixels."""
    rows, columns = np.ogrid[:2, :2]
    return np.where((kind >> 1) * rows + (kind & 1) * columns == 1, -0.5, 0.5)


def _halve(weight: npt.NDArray[np.float64], n_in: int, n_used: int) -> None:
    """Let a convolution of stride 2 take each of its used channels apart into four."""
    for parent in range(min(n_used, n_in)):
        for kind in range(4):
            child = 4 * parent + kind
            if child < len(weight):
                weight[child] = 0.0
                weight[child, parent, 2:4, 2:4] = _signs(kind)


def _double(weight: npt.NDArray[np.float64], n_used: int) -> None:
    """Let a convolution before a shuffle put four channels together into each of its used ones."""
    middle = weight.shape[2] // 2
    for parent in range(min(n_used, len(weight) // 4)):
        for kind in range(4):
            child = 4 * parent + kind
            if child < weight.shape[1]:
                weight[4 * parent : 4 * parent + 4, child, middle, middle] += _signs(kind).ravel()
