"""Networks with their weights, the last of which are kept between calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medroi.inner.neural.hific.network.hyperprior import LatentModel
from medroi.inner.neural.hific.network.transforms import Sizes, Transforms
from medroi.inner.neural.hific.prior import hyper_tables
from medroi.inner.neural.hific.sizes import sizes_of
from medroi.inner.neural.keeping import kept
from medroi.inner.neural.network_loading import DTYPES, Key, loaded
from medroi.inner.neural.tables import Tables
from medroi.inner.neural.weights import Tensors


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


# The published network takes 1.5 GB in double precision.
@kept(1)
def networks(key: Key) -> Networks:
    """The networks of a key, built once while they are among the last that were asked for."""
    return build(key.load().tensors, key.precision, key.device)


def build(tensors: Tensors, precision: str, device: str) -> Networks:
    """Networks for gray images from the weights of a network for colour ones."""
    folded = fold_gray(tensors)
    sizes = sizes_of(folded)
    dtype = DTYPES[precision]
    return Networks(
        loaded(Transforms, sizes, folded, dtype).to(device),
        loaded(LatentModel, sizes, folded, torch.float64),
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
