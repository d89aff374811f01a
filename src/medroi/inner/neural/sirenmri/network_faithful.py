"""The published training of SirenMRI: full batches, Adam with a constant rate, the best model."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medroi.inner.neural.sirenmri.network import Siren, tensors_of

LEARNING_RATE = 2e-4

# Called with the steps done after each; training ends where it answers False.
Watch = Callable[[int], bool]


@dataclass(frozen=True)
class Trained:
    """A trained network's weights.

    Attributes
    ----------
    tensors : mapping
        The best model's weights, float32.
    losses : tuple of float
        Mean squared error before each step, of the features.
    psnrs : tuple of float
        dB before each step, of the features rounded to 8 bits against the raw prediction.
    """

    tensors: dict[str, npt.NDArray[np.float32]]
    losses: tuple[float, ...]
    psnrs: tuple[float, ...]


def train_faithful(
    network: Siren, coordinates: torch.Tensor, features: torch.Tensor, watch: Watch
) -> Trained:
    """Train as published.

    Loss and PSNR are measured before a step and the weights kept after it, where the PSNR rises
    above and the loss falls below all before: that is the published rule of the best model.

    Parameters
    ----------
    network : Siren
        Changed in place.
    coordinates, features : tensor
        (n, dim_in) and (n, 1), float32; features from 0 to 1.
    watch : callable
        Called with the steps done after each; training ends where it answers False.
    """
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    # The published PSNR compares with features of 8 bits, whatever the volume's depth.
    rounded = torch.round(torch.clamp(features, 0, 1) * 255) / 255
    best_loss, best_psnr, best = float("inf"), float("-inf"), tensors_of(network)
    losses: list[float] = []
    psnrs: list[float] = []
    for step in itertools.count():
        optimiser.zero_grad()
        predicted = network(coordinates)
        loss = torch.nn.functional.mse_loss(predicted, features)
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(loss.item())
        error = torch.mean((predicted.detach() - rounded) ** 2)
        psnrs.append(float(-10 * torch.log10(error)))
        if psnrs[-1] > best_psnr and losses[-1] < best_loss:
            best = tensors_of(network)
        best_psnr, best_loss = max(best_psnr, psnrs[-1]), min(best_loss, losses[-1])
        if not watch(step + 1):
            break
    return Trained(best, tuple(losses), tuple(psnrs))
