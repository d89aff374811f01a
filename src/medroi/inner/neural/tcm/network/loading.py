"""Networks with their weights, few of which are kept between calls."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from medroi.inner.neural.keeping import kept
from medroi.inner.neural.network_loading import DTYPES, Key, loaded
from medroi.inner.neural.tables import Tables, bottleneck_tables
from medroi.inner.neural.tcm.folding import fold_gray
from medroi.inner.neural.tcm.network.latents import LatentModel
from medroi.inner.neural.tcm.network.transforms import Transforms
from medroi.inner.neural.tcm.sizes import Sizes, sizes_of
from medroi.inner.neural.weights import Weights

_PRIOR = "entropy_bottleneck."
_N_DENSITY_LAYERS = 5
_DENSITY_WIDTH = 3
# One for writing, one for reading; a network of N = 64 takes about half a gigabyte.
_N_KEPT = 2


@dataclass(frozen=True)
class Networks:
    """All that coding with one set of weights needs.

    Attributes
    ----------
    transforms : Transforms
        In the precision and on the device asked for; one image channel.
    model : LatentModel
        In double precision on the CPU: it decides the probabilities.
    medians : Tensor [channels, 1, 1]
        Of the hyper latents.
    hyper_tables : Tables
        One row per hyper channel.
    sizes : Sizes
    """

    transforms: Transforms
    model: LatentModel
    medians: Tensor
    hyper_tables: Tables
    sizes: Sizes


@kept(_N_KEPT)
def networks(key: Key) -> Networks:
    """The networks of a key, built once while they are among the last that were asked for."""
    return build(key.load(), key.precision, key.device)


def build(weights: Weights, precision: str, device: str) -> Networks:
    """Networks for gray images from the weights of a network for colour ones."""
    tensors = fold_gray(weights.tensors)
    sizes = sizes_of({name: tensor.shape for name, tensor in tensors.items()})
    dtype = DTYPES[precision]
    medians = torch.from_numpy(tensors[f"{_PRIOR}quantiles"][:, 0, 1].copy())
    return Networks(
        loaded(Transforms, sizes, tensors, dtype).to(device),
        loaded(LatentModel, sizes, tensors, torch.float64),
        medians[:, None, None],
        bottleneck_tables(weights.tensors, _PRIOR),
        sizes,
    )


def shapes_of(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a network that coding reads."""
    with torch.device("meta"):
        parts: tuple[nn.Module, ...] = (Transforms(sizes), LatentModel(sizes))
    shapes = {
        name: tuple(tensor.shape) for part in parts for name, tensor in part.state_dict().items()
    }
    return shapes | _prior_shapes(sizes.hyper_channels)


def _prior_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """The factorized prior: layers from 1 to 1 channels over channels of 3."""
    widths = (1, *(_DENSITY_WIDTH,) * (_N_DENSITY_LAYERS - 1), 1)
    shapes: dict[str, tuple[int, ...]] = {f"{_PRIOR}quantiles": (channels, 1, 3)}
    for layer, (n_in, n_out) in enumerate(pairwise(widths)):
        shapes[f"{_PRIOR}matrices.{layer}"] = (channels, n_out, n_in)
        shapes[f"{_PRIOR}biases.{layer}"] = (channels, n_out, 1)
        if layer < _N_DENSITY_LAYERS - 1:
            shapes[f"{_PRIOR}factors.{layer}"] = (channels, n_out, 1)
    return shapes
