"""The loop that all training shares: Adam, a rate that rises and falls, bounded gradients."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.torch_library import device_of, load_torch

Tensors = dict[str, npt.NDArray[np.float32]]
# What a step was like, by name; and a way to the tensors after it.
Progress = tuple[Mapping[str, float], Callable[[], Tensors]]
_LARGEST_GRADIENT = 1.0
_WARM_UP = 10
_LAST_FRACTION = 0.05


@dataclass(frozen=True)
class TrainSettings:
    """Settings of the training.

    Attributes
    ----------
    side : int
        Of a window, pixels.
    batch : int
        Windows per step.
    learning_rate : float
        Of Adam; rises for 10 steps, then falls as a cosine to a twentieth at the end.
    steps, minutes : int, float
        The end, whichever comes first.
    seed : int
    device : str
        "cpu" or "cuda".
    """

    side: int = 64
    batch: int = 4
    learning_rate: float = 1e-4
    steps: int = 1000
    minutes: float = math.inf
    seed: int = 0
    device: str = "cpu"


def optimise(
    codec: str,
    tensors: Tensors,
    settings: TrainSettings,
    loss_of: Callable[[dict[str, Any], np.random.Generator, Any], tuple[Any, Mapping[str, float]]],
) -> Iterator[Progress]:
    """Train step by step, for as long as the caller goes on.

    Parameters
    ----------
    codec : str
        Whose weights they are, for messages.
    tensors : dict
        To start from.
    settings : TrainSettings
    loss_of : callable
        From parameters by name, a random generator and a device: what to lower, and what to show.

    Yields
    ------
    shown : mapping of str to float
        What the windows of this step were like, before it.
    tensors : callable
        Gives the tensors as they are after it.
    """
    torch = load_torch(codec)
    device = device_of(codec, settings.device)
    random = np.random.default_rng(settings.seed)
    torch.manual_seed(settings.seed)
    learned = {
        name: torch.from_numpy(array.copy()).to(device).requires_grad_()
        for name, array in tensors.items()
    }
    parameters = list(learned.values())
    optimizer = torch.optim.Adam(parameters, settings.learning_rate)

    def current() -> Tensors:
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in learned.items()}

    began = time.monotonic()
    for step in range(settings.steps):
        passed = (time.monotonic() - began) / (60 * settings.minutes)
        if step and passed >= 1:
            return
        fraction = rate_at(step, max(step / settings.steps, min(passed, 1.0)))
        optimizer.param_groups[0]["lr"] = settings.learning_rate * fraction
        optimizer.zero_grad(set_to_none=True)
        loss, shown = loss_of(learned, random, device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)
        optimizer.step()
        yield shown, current


def rate_at(step: int, done: float) -> float:
    """The learning rate of a step with a share of the work done, as a fraction of the largest."""
    middle, swing = (1 + _LAST_FRACTION) / 2, (1 - _LAST_FRACTION) / 2
    return (middle + swing * math.cos(math.pi * done)) * min(1.0, (step + 1) / _WARM_UP)
