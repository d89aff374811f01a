"""A region's network: made, trained and stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.inner.base import Array
from medroi.inner.neural import images
from medroi.inner.neural.sirenmri import coordinates, evaluate, levels, quantised, stored
from medroi.inner.neural.sirenmri.architecture import Architecture, Tensors


def features_of(region: Array, scale: images.Scale) -> npt.NDArray[np.float32]:
    """The region from 0 to 1, scaled in float64 as published."""
    scaled = (region.astype(np.float64) - scale.offset) / scale.span
    return scaled.astype(np.float32)


def start(architecture: Architecture, tensors: Tensors | None, seed: int) -> Any:
    """A network with given weights, or with the initial values that a seed means."""
    from medroi.inner.neural.sirenmri import network

    made = network.Siren(architecture)
    if tensors is None:
        network.initialise(made, architecture, seed)
    else:
        network.put_tensors(made, tensors)
    return made


def train_as_published(
    made: Any, features: npt.NDArray[np.float32], spent: Callable[[int], float], device: str
) -> Tensors:
    """The published training on a device; no step leaves the network as it is."""
    import torch

    from medroi.inner.neural.sirenmri import network, network_faithful

    if spent(0) >= 1:
        return network.tensors_of(made)
    points = torch.from_numpy(coordinates.grid(features.shape)).to(device)
    wanted = torch.from_numpy(features.reshape(-1, 1)).to(device)
    trained = network_faithful.train_faithful(
        made.to(device), points, wanted, lambda step: spent(step) < 1
    )
    return trained.tensors


def finish(
    weights: Tensors | quantised.Quantised,
    architecture: Architecture,
    region: Array,
    scale: images.Scale,
) -> stored.Stored:
    """Stored form of a trained network: its weights, and levels that decode alike everywhere.

    Raises
    ------
    InvalidArgument
        Where training diverged.
    """
    tensors = weights.tensors() if isinstance(weights, quantised.Quantised) else weights
    sound = all(np.isfinite(values).all() for values in tensors.values())
    if not sound or evaluate.spread(tensors, architecture, region.shape) > levels.MARGIN / 64:
        raise InvalidArgument(
            "sirenmri: training diverged, and other machines could decode other values: "
            "use a lower learning_rate"
        )
    steps = levels.steps_between(region.dtype, scale.span)
    batches = evaluate.batches(tensors, architecture, region.shape)
    decided = levels.decide(batches, region.size, steps)
    return stored.Stored(
        architecture, weights, scale.offset, scale.span, steps, decided.crc, decided.near
    )
