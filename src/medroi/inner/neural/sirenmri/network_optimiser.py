"""Steps of the fast training: orthogonal ones for square matrices, Adam's for the rest.

A square matrix moves by its momentum made nearly orthogonal with five Newton-Schulz iterations
(Muon: K. Jordan 2024, https://kellerjordan.github.io/posts/muon): on a cube of 32 voxels of the
example head 200 steps reach 54 dB, and 48 dB with Adam alone at its best rate.
"""

from __future__ import annotations

import torch

# Shorter memory of squared gradients than Adam's own, for trainings of hundreds of steps.
_BETAS = (0.9, 0.99)
_MOMENTUM = 0.9
# Of the iteration x -> a x + b x^3 + c x^5 on singular values, which draws them to about 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix with the same singular vectors and all singular values near 1."""
    found: torch.Tensor = matrix / (torch.linalg.matrix_norm(matrix) + 1e-12)
    for _ in range(_ITERATIONS):
        square = found @ found.T
        found = _A * found + (_B * square + _C * square @ square) @ found
    return found


class Optimiser:
    """The state of both kinds of steps."""

    def __init__(self, network: torch.nn.Module) -> None:
        tensors = list(network.parameters())
        self._square = [t for t in tensors if t.ndim == 2 and t.shape[0] == t.shape[1]]
        self._momentum = [torch.zeros_like(tensor) for tensor in self._square]
        others = [t for t in tensors if t.ndim != 2 or t.shape[0] != t.shape[1]]
        self._adam = torch.optim.Adam(others, betas=_BETAS)

    def step(self, rate: float) -> None:
        """Move all tensors down their gradients, and forget these."""
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad()
        with torch.no_grad():
            for tensor, momentum in zip(self._square, self._momentum, strict=True):
                assert tensor.grad is not None
                momentum.mul_(_MOMENTUM).add_(tensor.grad)
                tensor.sub_(orthogonal(tensor.grad + _MOMENTUM * momentum), alpha=rate)
                tensor.grad = None
