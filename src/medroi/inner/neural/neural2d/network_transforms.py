"""The transforms of neural2d: slices to latents and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medroi.inner.neural.neural2d.sizes import Sizes

_LEAST_NORM = 1e-6


class Normalised(nn.Module):
    """Divisive normalisation by what the other channels hold, or its inverse.

    Source: Balle, Laparra and Simoncelli, ICLR 2016, with absolute values for squares (Johnston et
    al. 2019); factors are squares, so that none is negative.
    """

    def __init__(self, channels: int, *, inverse: bool) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels, channels))
        self.beta = nn.Parameter(torch.ones(channels))
        self._inverse = inverse

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` of shape (n, channels, height, width)."""
        gamma, beta = self.gamma.square()[:, :, None, None], self.beta.square() + _LEAST_NORM
        norm = functional.conv2d(x.abs(), gamma, beta)
        return x * norm if self._inverse else x / norm


def _down(n_in: int, n_out: int) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, 5, stride=2, padding=2)


class Analysis(nn.Module):
    """Slices (n, 1, 8 h, 8 w) to latents (n, latents, h, w)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.conv0 = _down(1, sizes.inner)
        self.norm0 = Normalised(sizes.inner, inverse=False)
        self.conv1 = _down(sizes.inner, sizes.inner)
        self.norm1 = Normalised(sizes.inner, inverse=False)
        self.conv2 = _down(sizes.inner, sizes.latents)

    def forward(self, slices: Tensor) -> Tensor:
        """Latents of slices."""
        x = self.norm1(self.conv1(self.norm0(self.conv0(slices))))
        latents: Tensor = self.conv2(x)
        return latents


class Synthesis(nn.Module):
    """Latents (n, latents, h, w) to slices (n, 1, 8 h, 8 w), not clamped."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        wide = sizes.inner
        self.conv0 = nn.Conv2d(sizes.latents, 4 * wide, 3, padding=1)
        self.norm0 = Normalised(wide, inverse=True)
        self.conv1 = nn.Conv2d(wide, 4 * wide, 3, padding=1)
        self.norm1 = Normalised(wide, inverse=True)
        self.conv2 = nn.Conv2d(wide, 4, 5, padding=2)

    def forward(self, latents: Tensor) -> Tensor:
        """Slices of latents."""
        x = self.norm0(functional.pixel_shuffle(self.conv0(latents), 2))
        x = self.norm1(functional.pixel_shuffle(self.conv1(x), 2))
        return functional.pixel_shuffle(self.conv2(x), 2)


class Transforms(nn.Module):
    """Both ways between slices and latents."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.analysis = Analysis(sizes)
        self.synthesis = Synthesis(sizes)
