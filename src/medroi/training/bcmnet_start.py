"""Tensors of BCM-Net to start training from."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.bcmnet.manifest import shapes
from medroi.inner.neural.bcmnet.model import COMPONENTS
from medroi.training.loop import Tensors

# The second convolution of a residual block starts small, so that a block starts as almost nothing.
_RESIDUAL_START = 0.1


def first_tensors(deviation: float, seed: int = 0) -> Tensors:
    """Weights that know nothing but how large residuals are.

    Parameters
    ----------
    deviation : float
        Standard deviation of the residuals, in levels.
    seed : int
    """
    random = np.random.default_rng(seed)
    return {
        name: _first(name, shape, max(deviation, 0.1), random).astype(np.float32)
        for name, shape in shapes().items()
    }


def _first(
    name: str, shape: tuple[int, ...], deviation: float, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    if "theta_estimator" in name:  # the affine map starts as the identity
        return np.eye(2, 3).reshape(-1) if name.endswith("bias") else np.zeros(shape)
    if "params_estimator" in name and ".body.4." in name:
        return _mixture_bias(deviation) if name.endswith("bias") else np.zeros(shape)
    if name.endswith("bias"):
        return np.zeros(shape)
    if ".norm." in name:
        return np.ones(shape)
    # He et al. 2015 for rectifiers.
    values = random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
    if name.endswith(".body.2.weight") and len(shape) == 4 and shape[0] == shape[1] != 1:
        values *= _RESIDUAL_START if "params_estimator" not in name else 1.0
    if "auto_ctx_extraction" in name and ".body.0." in name:
        values /= deviation
    return values


def _mixture_bias(deviation: float) -> npt.NDArray[np.float64]:
    """Equal weights; means and scales that span the residuals."""
    return np.concatenate(
        [
            np.zeros(COMPONENTS),
            np.linspace(-1.5, 1.5, COMPONENTS) * deviation,
            np.linspace(-2, 0, COMPONENTS) + math.log(deviation),
        ]
    )
