"""Training of BCM-Net: fewer bits for the residuals of windows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medroi.inner.neural.bcmnet import model
from medroi.inner.neural.bcmnet.layers import Layers, Tensor
from medroi.inner.neural.torch_library import device_of, load_torch
from medroi.training.bcmnet_start import Tensors
from medroi.training.slices import Sample, Slices, draw

_MIN_LOG_SCALE = -7
_LARGEST_GRADIENT = 1.0
_WARM_UP = 10


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes
    ----------
    bit_depth : int
        As bcmnet's; the weights are for this depth alone.
    side : int
        Of a window, pixels; even.
    batch : int
        Windows per step.
    learning_rate : float
        Of Adam; rises for 10 steps, then falls as a cosine to a twentieth over `steps`.
    steps : int
    seed : int
    device : str
        "cpu" or "cuda".
    """

    bit_depth: int
    side: int = 64
    batch: int = 4
    learning_rate: float = 1e-4
    steps: int = 1000
    seed: int = 0
    device: str = "cpu"


def train(
    volumes: Sequence[Slices], tensors: Tensors, settings: TrainSettings
) -> Iterator[tuple[float, Tensors]]:
    """Train step by step, for as long as the caller goes on.

    Yields
    ------
    bits : float
        Per voxel, of the windows of this step, before it.
    tensors : dict
        After it.
    """
    torch = load_torch("bcmnet")
    device = device_of("bcmnet", settings.device)
    random = np.random.default_rng(settings.seed)
    learned = {
        name: torch.from_numpy(array.copy()).to(device).requires_grad_()
        for name, array in tensors.items()
    }
    parameters = list(learned.values())
    optimizer = torch.optim.Adam(parameters, settings.learning_rate)
    for step in range(settings.steps):
        fraction = 0.525 + 0.475 * math.cos(math.pi * step / settings.steps)
        fraction *= min(1.0, (step + 1) / _WARM_UP)
        optimizer.param_groups[0]["lr"] = settings.learning_rate * fraction
        samples = [
            draw(volumes[int(random.integers(len(volumes)))], settings.side, random)
            for _ in range(settings.batch)
        ]
        optimizer.zero_grad(set_to_none=True)
        bits = sum(bits_of(Layers(learned), sample, settings, device) for sample in samples)
        loss = bits / sum(sample.exact.size for sample in samples)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)
        optimizer.step()
        yield (
            float(loss.detach()),
            {name: tensor.detach().cpu().numpy() for name, tensor in learned.items()},
        )


def bits_of(network: Layers, sample: Sample, settings: TrainSettings, device: Any) -> Tensor:
    """Ideal cost of one window's residuals, in bits."""
    import torch

    def image(values: Any) -> Tensor:
        top = 2.0**settings.bit_depth - 1
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
