"""The fast training: minibatches, a rate that warms up and falls, weights that learn their grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from medroi.inner.neural.sirenmri import coordinates, quantised
from medroi.inner.neural.sirenmri.architecture import Architecture
from medroi.inner.neural.sirenmri.network import Siren, tensors_of
from medroi.inner.neural.sirenmri.network_optimiser import Optimiser
from medroi.inner.neural.sirenmri.pace import Pace

# Of the budget: the rate rises during the first share, weights are on their grids in the last.
_WARM_UP = 0.05
_ON_GRID = 0.8


def rate_at(spent: float) -> float:
    """Share of the highest learning rate after a share of the budget: linear up, cosine down."""
    falling = 0.5 * (1 + math.cos(math.pi * min(spent, 1.0)))
    return min(1.0, 0.05 + spent / _WARM_UP) * falling


def _voxels(n_voxels: int, batch: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Numbers of voxels, `batch` at a time: every voxel once, in random order, then again."""
    rng = np.random.default_rng(seed)
    batch = min(batch, n_voxels)
    while True:
        order = rng.permutation(np.arange(n_voxels, dtype=np.uint32))
        for start in range(0, n_voxels - batch + 1, batch):
            yield order[start : start + batch].astype(np.int64)


def train_fast(
    network: Siren,
    architecture: Architecture,
    features: npt.NDArray[np.float32],
    pace: Pace,
    spent: Callable[[int], float],
) -> quantised.Quantised:
    """Train a network and put its weights on their grids.

    Parameters
    ----------
    network : Siren
        With its initial values; changed in place.
    architecture : Architecture
    features : ndarray of float32
        The region, from 0 to 1.
    pace : Pace
    spent : callable
        Steps done to the share of the budget used up; 1 ends the training.
    """
    network = network.to(pace.device)
    optimiser = Optimiser(network)
    axes, flat = coordinates.axes_of(features.shape), features.reshape(-1)
    steps: dict[str, float] | None = None
    for step, voxels in enumerate(_voxels(flat.size, pace.batch, pace.seed)):
        share = spent(step)
        if share >= 1:
            break
        if share >= _ON_GRID and steps is None:
            steps = quantised.steps_of(tensors_of(network), architecture, pace.bits)
        loss = _loss(network, steps, _batch(axes, flat, voxels, pace.device))
        torch.autograd.backward(loss)
        optimiser.step(pace.learning_rate * rate_at(share))
    tensors = tensors_of(network)
    if steps is None:
        steps = quantised.steps_of(tensors, architecture, pace.bits)
    return quantised.quantise(tensors, steps)


def _batch(
    axes: Sequence[coordinates.Axis],
    flat: npt.NDArray[np.float32],
    voxels: npt.NDArray[np.int64],
    device: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.from_numpy(coordinates.pick(axes, voxels)).to(device)
    return points, torch.from_numpy(flat[voxels, np.newaxis]).to(device)


def _loss(
    network: Siren, steps: Mapping[str, float] | None, batch: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Mean squared error; with weights on their grids where the grids are known."""
    points, wanted = batch
    if steps is None:
        return torch.nn.functional.mse_loss(network(points), wanted)
    on_grid = {
        # The gradient passes the rounding as if it were not there.
        name: weight + (torch.round(weight / steps[name]) * steps[name] - weight).detach()
        for name, weight in network.named_parameters()
    }
    return torch.nn.functional.mse_loss(
        torch.func.functional_call(network, on_grid, points), wanted
    )
