"""Networks filled with weights, the last of which are kept between calls."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from medroi.inner.neural.hific.network.hyperprior import LatentModel
from medroi.inner.neural.hific.network.transforms import Sizes, Transforms
from medroi.inner.neural.hific.prior import hyper_tables
from medroi.inner.neural.hific.sizes import sizes_of
from medroi.inner.neural.tables import Tables
from medroi.inner.neural.weights import Tensors, Weights


@dataclass(frozen=True)
class Networks:
    """All that coding with one set of weights needs.

    Attributes
    ----------
    transforms : Transforms
        In the precision and on the device asked for; one image channel.
    model : LatentModel
        In double precision on the CPU: it decides the probabilities.
    hyper_tables : Tables
    sizes : Sizes
    """

    transforms: Transforms
    model: LatentModel
    hyper_tables: Tables
    sizes: Sizes


@dataclass(frozen=True)
class Key:
    """What tells one set of networks from another."""

    weights_hash: bytes
    precision: str
    device: str
    load: Callable[[], Weights] = dataclasses.field(compare=False)


_building = threading.Lock()


def networks(key: Key) -> Networks:
    """The networks of a key, built once while they are the last that were asked for."""
    with _building:
        return _networks(key)


# The published network takes 1.5 GB in double precision.
@functools.lru_cache(maxsize=1)
def _networks(key: Key) -> Networks:
    return build(key.load().tensors, key.precision, key.device)


def build(tensors: Tensors, precision: str, device: str) -> Networks:
    """Networks for gray images from the weights of a network for colour ones."""
    folded = fold_gray(tensors)
    sizes = sizes_of(folded)
    dtype = {"float64": torch.float64, "float32": torch.float32}[precision]
    return Networks(
        filled(Transforms, sizes, folded, dtype).to(device),
        filled(LatentModel, sizes, folded, torch.float64),
        hyper_tables(tensors),
        sizes,
    )


def fold_gray(tensors: Tensors) -> dict[str, Any]:
    """Weights for gray images: equal input channels add up, output channel 0 is kept."""
    folded: dict[str, Any] = dict(tensors)
    first = "Encoder.conv_block1.1.weight"
    last = "Generator.conv_block_out.1."
    folded[first] = tensors[first].astype(np.float64).sum(axis=1, keepdims=True)
    for name in (f"{last}weight", f"{last}bias"):
        folded[name] = tensors[name][:1]
    return folded


def filled(network: type[Any], sizes: Sizes, tensors: Any, dtype: torch.dtype) -> Any:
    """A network with its tensors, ready to run forward."""
    with torch.device("meta"):
        made: nn.Module = network(sizes)
    state = {name: torch.from_numpy(tensors[name]).to(dtype) for name in made.state_dict()}
    made.load_state_dict(state, assign=True)
    return made.eval().requires_grad_(False)
