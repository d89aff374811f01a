"""Training of BCM-Net: fewer bits for the residuals of windows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medroi.inner.neural.bcmnet import model
from medroi.inner.neural.bcmnet.layers import Layers, Tensor
from medroi.training.bcmnet_start import first_tensors
from medroi.training.loop import Progress, Tensors, TrainSettings, optimise
from medroi.training.slices import Sample, Slices, draw, prepare

__all__ = ["Slices", "bits_of", "first_tensors", "prepare", "train"]

_MIN_LOG_SCALE = -7


def train(
    volumes: Sequence[Slices], tensors: Tensors, bit_depth: int, settings: TrainSettings
) -> Iterator[Progress]:
    """Train step by step; shown are the bits per voxel of each step's windows.

    Parameters
    ----------
    volumes : sequence of Slices
    tensors : dict
        To start from.
    bit_depth : int
        As bcmnet's; the weights are for this depth alone.
    settings : TrainSettings
    """

    def loss_of(
        learned: dict[str, Any], random: np.random.Generator, device: Any
    ) -> tuple[Any, Mapping[str, float]]:
        samples = [
            draw(volumes[int(random.integers(len(volumes)))], settings.side, random)
            for _ in range(settings.batch)
        ]
        bits = sum(bits_of(Layers(learned), sample, bit_depth, device) for sample in samples)
        loss = bits / sum(sample.exact.size for sample in samples)
        return loss, {"bits/voxel": float(loss.detach())}

    return optimise("bcmnet", tensors, settings, loss_of)


def bits_of(network: Layers, sample: Sample, bit_depth: int, device: Any) -> Tensor:
    """Ideal cost of one window's residuals, in bits."""
    import torch

    def image(values: Any) -> Tensor:
        top = 2.0**bit_depth - 1
        return torch.from_numpy(values.astype(np.float32) / np.float32(top))[None, None].to(device)

    references = sample.references
    pair = None if references is None else (image(references[0]), image(references[1]))
    ctx = model.context(network, image(sample.lossy), pair).ctx
    residual = torch.from_numpy((sample.exact - sample.lossy).astype(np.float32)).to(device)
    parts = torch.stack([residual[r::2, c::2] for r, c in model.SUB_IMAGES])[None]
    costs = [
        _cost(model.parameters(network, ctx, parts[:, :i] if i else None), parts[:, i : i + 1])
        for i in range(len(model.SUB_IMAGES))
    ]
    return torch.stack(costs).sum()


def _cost(parameters: Tensor, residual: Tensor) -> Tensor:
    """Bits of residuals [N, 1, h, w] under mixtures [N, 30, h, w]."""
    import torch
    from torch.nn.functional import softplus

    logits, means, log_scales = parameters.chunk(3, 1)
    steep = torch.exp(-log_scales.clamp(min=_MIN_LOG_SCALE))
    upper, lower = (steep * (residual + half - means) for half in (0.5, -0.5))
    # S(u) - S(l) = S(u) S(-l) (1 - exp(l - u)) for the logistic function S.
    inside = -softplus(-upper) - softplus(lower) + torch.log(-torch.expm1(-steep))
    mixed = torch.logsumexp(torch.log_softmax(logits, 1) + inside, 1)
    return -mixed.sum() / math.log(2)
