"""The sine network of SirenMRI in torch: layers, initial values, weights in and out."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import torch

from medroi.inner.neural.sirenmri.architecture import Architecture, Tensors


class Layer(torch.nn.Module):
    """A linear layer, and the sine of w0 times its output; w0 = 0 is none."""

    def __init__(self, width_in: int, width_out: int, w0: float) -> None:
        super().__init__()
        self.linear, self.w0 = torch.nn.Linear(width_in, width_out), w0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, width_in) to (n, width_out)."""
        linear: torch.Tensor = self.linear(x)
        return torch.sin(self.w0 * linear) if self.w0 else linear


class Siren(torch.nn.Module):
    """(n, dim_in) coordinates to (n, 1) features; with torch's own initial values."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = [architecture.dim_in] + architecture.layers * [architecture.hidden]
        layers = (Layer(a, b, architecture.w0) for a, b in itertools.pairwise(widths))
        self.net = torch.nn.Sequential(*layers)
        self.last_layer = Layer(widths[-1], 1, 0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of coordinates."""
        features: torch.Tensor = self.last_layer(self.net(x))
        return features


def initialise(network: Siren, architecture: Architecture, seed: int) -> None:
    """Give a network the initial values that a seed means, whatever torch's own generator holds."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            values = torch.rand(tensor.shape, generator=generator, dtype=torch.float32)
            tensor.copy_(architecture.bound(name) * (2 * values - 1))


def tensors_of(network: Siren) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of a network as arrays of their own."""
    return {
        name: tensor.detach().cpu().numpy().astype(np.float32, copy=True)
        for name, tensor in network.state_dict().items()
    }


def put_tensors(network: Siren, tensors: Tensors) -> None:
    """Give a network these weights; names and shapes have to be its own."""
    network.load_state_dict({name: torch.tensor(values) for name, values in tensors.items()})
