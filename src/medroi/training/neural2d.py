"""Training of neural2d: bits and error of windows, over a range of steps."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.inner.base import block_of
from medroi.inner.neural import images
from medroi.inner.neural.neural2d.sizes import DEFAULT, Sizes, sizes_of
from medroi.inner.neural.tables import SMALLEST_SCALE
from medroi.inner.neural.torch_library import load_torch
from medroi.training import neural2d_start
from medroi.training.loop import Progress, Tensors, TrainSettings, optimise

__all__ = ["Quality", "Volume", "first_tensors", "prepare", "train"]

# Slices first, values from 0 to 1.
Volume = npt.NDArray[np.float32]
_MULTIPLE = 32
# Of windows that are coded as the first slice of a part is.
_FIRST_SHARE = 1 / 8


@dataclass(frozen=True)
class Quality:
    """Purpose of the weights.

    Attributes
    ----------
    psnr_db : float
        At the step 1, against the range of the region, about.
    lowest_step, highest_step : float
        Between which steps are drawn.
    """

    psnr_db: float = 42.0
    lowest_step: float = 0.25
    highest_step: float = 4.0

    @property
    def error(self) -> float:
        """Mean square error at the step 1, of values from 0 to 1."""
        return float(10 ** (-self.psnr_db / 10))

    def price(self, step: float) -> float:
        """Bits per voxel that a mean square error of 1 is worth at a step.

        Where rate is log2(1 / error) / 2, as for a fine quantiser, this is its slope.
        """
        return 1 / (2 * math.log(2) * self.error * step * step)


def prepare(volume: npt.NDArray[np.generic]) -> Volume:
    """A region as neural2d sees it.

    Parameters
    ----------
    volume : array
        Slices are its last two axes. Real numbers without NaN.
    """
    images.check_dtype("neural2d", block_of(volume))
    scaled = images.to_slices(volume, images.scale_of("neural2d", volume))
    return scaled.astype(np.float32)


def first_tensors(quality: Quality, sizes: Sizes = DEFAULT, seed: int = 0) -> Tensors:
    """Weights to start from: those of a plain transform codec of this quality."""
    return neural2d_start.first_tensors(quality.error, sizes, seed)


def train(
    volumes: Sequence[Volume], tensors: Tensors, quality: Quality, settings: TrainSettings
) -> Iterator[Progress]:
    """Train step by step; shown are bits per voxel and dB of each step's windows.

    Parameters
    ----------
    volumes : sequence of Volume
    tensors : dict
        To start from.
    quality : Quality
    settings : TrainSettings
        `side` becomes a multiple of 32.
    """
    torch = load_torch("neural2d")
    side = max(_MULTIPLE, settings.side - settings.side % _MULTIPLE)
    limits = math.log(quality.lowest_step), math.log(quality.highest_step)
    sizes = sizes_of(tensors)
    scaled = neural2d_start.units(quality.error, sizes)

    def loss_of(
        learned: dict[str, Any], random: np.random.Generator, device: Any
    ) -> tuple[Any, Mapping[str, float]]:
        step = math.exp(random.uniform(*limits))
        drawn = [
            draw(volumes[int(random.integers(len(volumes)))], side, random)
            for _ in range(settings.batch)
        ]
        pairs = torch.from_numpy(np.stack(drawn)).to(device)
        knows = torch.from_numpy(random.random(settings.batch) >= _FIRST_SHARE).to(device)
        whole = {
            name: values * torch.from_numpy(scaled[name]).to(device) if name in scaled else values
            for name, values in learned.items()
        }
        bits, error = costs(whole, sizes, pairs, knows, step)
        shown = {"bits/voxel": float(bits.detach()), "dB": -10 * math.log10(float(error.detach()))}
        return bits + quality.price(step) * error, shown

    start = {name: values / scaled.get(name, np.float32(1)) for name, values in tensors.items()}
    for shown, current in optimise("neural2d", start, settings, loss_of):
        yield shown, functools.partial(_in_ones, current, scaled)


def _in_ones(current: Callable[[], Tensors], scaled: Tensors) -> Tensors:
    return {name: values * scaled.get(name, np.float32(1)) for name, values in current().items()}


def draw(volume: Volume, side: int, random: np.random.Generator) -> Volume:
    """A window of two neighbouring slices in either order: along any long axis, turned any way."""
    turned = np.moveaxis(volume, int(random.integers(3)), 0)
    # Slices that are thinner than a window are none that are coded.
    if len(turned) < 2 or min(turned.shape[1:]) < side:
        turned = volume if len(volume) > 1 else np.repeat(volume, 2, axis=0)
    at = int(random.integers(len(turned) - 1))
    starts = [int(random.integers(max(1, size - side + 1))) for size in turned.shape[1:]]
    window = turned[at : at + 2, starts[0] : starts[0] + side, starts[1] : starts[1] + side]
    if random.random() < 0.5:
        window = window[::-1]
    if random.random() < 0.5:
        window = window.transpose(0, 2, 1)
    window = window[:, :: random.choice((-1, 1)), :: random.choice((-1, 1))]
    below, right = (side - size for size in window.shape[1:])
    return np.pad(window, ((0, 0), (0, below), (0, right)), mode="edge")


def costs(
    learned: Mapping[str, Any], sizes: Sizes, pairs: Any, knows: Any, step: float
) -> tuple[Any, Any]:
    """Bits per voxel and mean square error of the second slice of each pair.

    Parameters
    ----------
    learned : mapping of str to Tensor
    sizes : Sizes
    pairs : Tensor (n, 2, height, width)
    knows : Tensor of bool (n,)
        Whether the second slice knows the first.
    step : float
    """
    import torch
    from torch.func import functional_call

    from medroi.inner.neural.neural2d.network_prior import Prior
    from medroi.inner.neural.neural2d.network_transforms import Transforms

    with torch.device("meta"):
        transforms, prior = Transforms(sizes), Prior(sizes)

    def run(module: Any, name: str, *given: Any) -> Any:
        own = {key[len(name) :]: value for key, value in learned.items() if key.startswith(name)}
        return functional_call(module, own, given)

    n, _, height, width = pairs.shape
    both = run(transforms.analysis, "analysis.", pairs.reshape(2 * n, 1, height, width))
    before, latents = both.reshape(n, 2, *both.shape[1:]).unbind(1)
    hyper = run(prior.hyper_analysis, "hyper_analysis.", latents)
    noisy_hyper = hyper + torch.rand_like(hyper) - 0.5
    mean, scale = (learned[f"hyper_{what}"][:, None, None] for what in ("mean", "scale"))
    bits = _bits(noisy_hyper - mean, scale.abs().expand_as(hyper))
    features = run(prior.hyper_synthesis, "hyper_synthesis.", noisy_hyper)
    before = (before + step * (torch.rand_like(before) - 0.5)) * knows[:, None, None, None]
    plane = torch.full_like(features[:, :1], math.log2(step))
    known = torch.cat([features, before, plane], 1)
    means, raw = run(prior.context, "context.", known).chunk(2, 1)
    scales = torch.nn.functional.softplus(raw) / step
    distance = (latents - means) / step
    bits = bits + _bits(distance + torch.rand_like(distance) - 0.5, scales)
    # Decoding sees whole symbols; the gradient passes as if it saw latents.
    decoded = latents + ((distance.round() - distance) * step).detach()
    drawn = run(transforms.synthesis, "synthesis.", decoded)
    return bits / (n * height * width), (drawn[:, 0] - pairs[:, 1]).square().mean()


def _bits(distance: Any, scales: Any) -> Any:
    """Cost of numbers this far from their means by Gaussian rows, in symbols."""
    import torch

    # As if a scale below the smallest row were another one, or none would ever grow again.
    bounded = scales + (SMALLEST_SCALE - scales).clamp(min=0).detach()
    far = distance.abs()
    upper, lower = (torch.special.log_ndtr((half - far) / bounded) for half in (0.5, -0.5))
    # In logarithms, so that what is far out still pulls.
    shares = upper + torch.log(-torch.expm1(lower - upper))
    return -shares.sum() / math.log(2)
