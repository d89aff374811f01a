"""Through the slices of a part in coding order, for encoder and decoder alike.

What a mixture may depend on is what both have at that point; there is one loop so that both have
the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.bcmnet import model as bcm
from medroi.inner.neural.bcmnet.layers import Layers
from medroi.inner.neural.bcmnet.mixtures import Floats, on_grid
from medroi.inner.neural.bcmnet.order import Step, steps

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SubImage:
    """A quarter of the voxels of some slices.

    Attributes
    ----------
    slices : tuple of int
    row, column : int
        Where it starts; it has every other row and column from there.
    """

    slices: tuple[int, ...]
    row: int
    column: int

    def of(self, volume: Ints) -> Ints:
        """Its voxels of [slices, height, width]; the sub-image may be empty."""
        return volume[list(self.slices), self.row :: 2, self.column :: 2]


# From the parameters of a sub-image, [voxels, 30] on the grid, to its residuals, flat.
Exchange = Callable[[Floats, SubImage], Ints]


def walk(network: Layers, lossy: Ints, top: float, exchange: Exchange) -> Ints:
    """All slices of a part.

    Parameters
    ----------
    network : Layers
        Tensors of float64, on the CPU.
    lossy : array of int32, [slices, height, width]
    top : float
        By which values are divided for the network.
    exchange : callable
        Called once for each sub-image that has voxels.

    Returns
    -------
    array of int32
        Lossy values plus residuals.
    """
    import torch

    volume = np.zeros_like(lossy)
    with torch.inference_mode():
        for step in steps(*lossy.shape):
            _code_step(network, step, lossy, volume, top, exchange)
    return volume


def _code_step(
    network: Layers, step: Step, lossy: Ints, volume: Ints, top: float, exchange: Exchange
) -> None:
    import torch

    found = list(step.slices)
    images = [_scaled(lossy[found], top)]
    images += [_scaled(volume[list(r)], top) for r in (step.forward, step.backward) if r]
    tensors = [torch.from_numpy(image) for image in images]
    references = (tensors[1], tensors[2]) if len(tensors) == 3 else None
    ctx = bcm.context(network, tensors[0], references).ctx
    height, width = lossy.shape[1:]
    residual = np.zeros((len(found), *images[0].shape[2:]))
    earlier: list[Any] = []
    for row, column in bcm.SUB_IMAGES:
        part = SubImage(step.slices, row, column)
        shape = part.of(lossy).shape
        if 0 not in shape:
            known = torch.from_numpy(np.stack(earlier, 1)) if earlier else None
            places = _places(bcm.parameters(network, ctx, known), shape)
            inside = residual[:, row:height:2, column:width:2]
            inside[...] = exchange(places, part).reshape(shape)
        earlier.append(residual[:, row::2, column::2])
    volume[found] = lossy[found] + residual[:, :height, :width].astype(np.int32)


def _scaled(slices: Ints, top: float) -> Floats:
    """Slices as the network's images: even sides, the last row and column repeated."""
    height, width = slices.shape[1:]
    padded = np.pad(slices, ((0, 0), (0, height % 2), (0, width % 2)), "edge")
    return padded[:, None] / top


def _places(parameters: Any, shape: tuple[int, ...]) -> Floats:
    """Parameters of the voxels that are there, on the grid."""
    inside = parameters[:, :, : shape[1], : shape[2]].permute(0, 2, 3, 1)
    return on_grid(inside.flatten(0, 2).numpy())
