"""Networks of neural2d with their weights, the last of which are kept between calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medroi.inner.neural import near
from medroi.inner.neural.keeping import kept
from medroi.inner.neural.network_loading import DTYPES, Key, loaded
from medroi.inner.neural.neural2d.network_prior import Prior
from medroi.inner.neural.neural2d.network_transforms import Transforms
from medroi.inner.neural.neural2d.sizes import Sizes, sizes_of
from medroi.inner.neural.tables import scale_edges
from medroi.inner.neural.weights import Tensors

_N_KEPT = 2


@dataclass(frozen=True)
class Networks:
    """All that coding with one set of weights needs.

    Attributes
    ----------
    transforms : Transforms
        In the precision and on the device asked for.
    prior : Prior
        In double precision on the CPU: it decides the probabilities.
    hyper_rows : ndarray of int32, shape (hyper,)
        The row of the Gaussian tables of each hyper channel.
    sizes : Sizes
    """

    transforms: Transforms
    prior: Prior
    hyper_rows: npt.NDArray[np.int32]
    sizes: Sizes


@kept(_N_KEPT)
def networks(key: Key) -> Networks:
    """The networks of a key, built once while they are among the last that were asked for."""
    return build(key.load().tensors, key.precision, key.device)


def build(tensors: Tensors, precision: str, device: str) -> Networks:
    """Networks of these weights."""
    sizes = sizes_of(tensors)
    scales = np.abs(tensors["hyper_scale"].astype(np.float64))
    return Networks(
        loaded(Transforms, sizes, tensors, DTYPES[precision]).to(device),
        loaded(Prior, sizes, tensors, torch.float64),
        near.between(scales, scale_edges()[:-1]),
        sizes,
    )
