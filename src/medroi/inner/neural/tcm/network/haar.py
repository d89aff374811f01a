"""Wavelet blocks of the auxiliary path (AuxT): Haar bands, scaled, through a linear layer.

Source: Li et al., "On disentangled training for nonlinear transform in learned image
compression" (2025).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The published filters are products of two float32 1/sqrt(2), not 0.5.
_GAIN = 0.4999999701976776
# Sign of the pixels (0, 0), (0, 1), (1, 0), (1, 1) of a square in LL, LH, HL and HH.
_SIGNS = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))


def _filters(like: Tensor) -> Tensor:
    return _GAIN * torch.tensor(_SIGNS, dtype=like.dtype, device=like.device)


class HaarHalving(nn.Module):
    """Bands of [n, c, h, w], scaled, mixed to [n, c', h / 2, w / 2]."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.scaling_factors = nn.Parameter(torch.empty(1, 1, 4 * n_in))
        self.OLP = _Mix(4 * n_in, n_out)

    def forward(self, images: Tensor) -> Tensor:
        """Analyse."""
        squares = torch.unflatten(nn.functional.pixel_unshuffle(images, 2), 1, (-1, 4))
        bands = torch.einsum("bk,nckhw->nhwbc", _filters(images), squares).flatten(-2)
        out: Tensor = self.OLP(bands * self.scaling_factors[0].exp())
        return out.permute(0, 3, 1, 2)


class HaarDoubling(nn.Module):
    """Mix [n, c, h, w] to bands, unscale them, synthesise [n, c', 2 h, 2 w]."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.scaling_factors = nn.Parameter(torch.empty(1, 1, 4 * n_out))
        self.OLP = _Mix(n_in, 4 * n_out)

    def forward(self, images: Tensor) -> Tensor:
        """Synthesise."""
        bands = self.OLP(images.permute(0, 2, 3, 1)) / self.scaling_factors[0].exp()
        squares = torch.einsum("bk,nhwbc->nckhw", _filters(images), bands.unflatten(-1, (4, -1)))
        return nn.functional.pixel_shuffle(squares.flatten(1, 2), 2)


class _Mix(nn.Module):
    """A linear layer, under the name that the checkpoints give it."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.linear(images)
        return out
