"""Architecture of a sine network: widths, factor, tensor names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Architecture:
    """Sizes of a sine network, all but its weights.

    Attributes
    ----------
    dim_in : int
        Coordinates per voxel.
    hidden : int
        Width of every sine layer.
    layers : int
        Sine layers; one linear layer follows.
    w0 : float
        Factor inside every sine, of the bias too.
    """

    dim_in: int
    hidden: int = 256
    layers: int = 3
    w0: float = 30.0

    def manifest(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors, in order, as public checkpoints have them."""
        shapes: dict[str, tuple[int, ...]] = {}
        width = self.dim_in
        for layer in range(self.layers):
            shapes[f"net.{layer}.linear.weight"] = (self.hidden, width)
            shapes[f"net.{layer}.linear.bias"] = (self.hidden,)
            width = self.hidden
        shapes["last_layer.linear.weight"] = (1, width)
        shapes["last_layer.linear.bias"] = (1,)
        return shapes

    def bound(self, name: str) -> float:
        """Half width of the uniform distribution of a tensor's initial values.

        1/dim_in in the first layer, sqrt(6/width)/w0 in all others; a bias has its weights' bound.
        """
        if name.startswith("net.0."):
            return 1 / self.dim_in
        return math.sqrt(6 / self.hidden) / self.w0
