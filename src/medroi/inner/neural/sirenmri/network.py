"""The sine network of SirenMRI: layers, tensor names and initial values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.torch_library import load_torch

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Architecture:
    """What decides a sine network but its weights.

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


def build(architecture: Architecture) -> Any:
    """The network as a torch module; (n, dim_in) coordinates to (n, 1) features.

    Its values are torch's own defaults: load a state, or call `initialise`.
    """
    torch = load_torch("sirenmri")

    class Linear(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width_in: int, width_out: int, w0: float) -> None:
            super().__init__()
            self.linear, self.w0 = torch.nn.Linear(width_in, width_out), w0

        def forward(self, x: Any) -> Any:
            return torch.sin(self.w0 * self.linear(x)) if self.w0 else self.linear(x)

    class Siren(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            widths = [architecture.dim_in] + architecture.layers * [architecture.hidden]
            pairs = zip(widths[:-1], widths[1:], strict=True)
            self.net = torch.nn.Sequential(*(Linear(a, b, architecture.w0) for a, b in pairs))
            self.last_layer = Linear(widths[-1], 1, 0.0)

        def forward(self, x: Any) -> Any:
            return self.last_layer(self.net(x))

    return Siren()


def initialise(network: Any, architecture: Architecture, seed: int) -> None:
    """Give a network the initial values that a seed means, whatever torch's own generator holds."""
    torch = load_torch("sirenmri")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            bound = architecture.bound(name)
            values = torch.rand(tensor.shape, generator=generator, dtype=torch.float32)
            tensor.copy_(bound * (2 * values - 1))


def tensors_of(network: Any) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of a network as arrays of their own."""
    return {
        name: tensor.detach().cpu().numpy().astype(np.float32, copy=True)
        for name, tensor in network.state_dict().items()
    }


def put_tensors(network: Any, tensors: Tensors) -> None:
    """Give a network these weights; names and shapes have to be its own."""
    torch = load_torch("sirenmri")
    state = {name: torch.from_numpy(np.array(values)) for name, values in tensors.items()}
    network.load_state_dict(state)
