"""Prior of neural2d's latents: from hyper latents, and from the slice before.

Source of the hyper latents: Minnen, Balle and Toderici, NeurIPS 2018; the slice before stands
where theirs has an autoregressive context.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from medroi.inner.neural.neural2d.sizes import Sizes


class _HyperAnalysis(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        wide = sizes.hyper
        self.conv0 = nn.Conv2d(sizes.latents, wide, 3, padding=1)
        self.conv1 = nn.Conv2d(wide, wide, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(wide, wide, 5, stride=2, padding=2)

    def forward(self, latents: Tensor) -> Tensor:
        x = torch.relu(self.conv1(torch.relu(self.conv0(latents))))
        hyper: Tensor = self.conv2(x)
        return hyper


class _HyperSynthesis(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(sizes.hyper, 4 * sizes.hyper, 3, padding=1)
        self.conv1 = nn.Conv2d(sizes.hyper, 4 * sizes.hyper, 3, padding=1)

    def forward(self, hyper: Tensor) -> Tensor:
        x = torch.relu(functional.pixel_shuffle(self.conv0(hyper), 2))
        return torch.relu(functional.pixel_shuffle(self.conv1(x), 2))


class _Context(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        # Beside both, one plane that says how coarse the steps are.
        self.conv0 = nn.Conv2d(sizes.hyper + sizes.latents + 1, sizes.context, 3, padding=1)
        self.conv1 = nn.Conv2d(sizes.context, sizes.context, 1)
        self.conv2 = nn.Conv2d(sizes.context, 2 * sizes.latents, 1)

    def forward(self, known: Tensor) -> Tensor:
        x = torch.relu(self.conv1(torch.relu(self.conv0(known))))
        expected: Tensor = self.conv2(x)
        return expected


class Prior(nn.Module):
    """Probabilities of hyper latents and latents."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.hyper_analysis = _HyperAnalysis(sizes)
        self.hyper_synthesis = _HyperSynthesis(sizes)
        self.context = _Context(sizes)
        self.hyper_mean = nn.Parameter(torch.zeros(sizes.hyper))
        self.hyper_scale = nn.Parameter(torch.ones(sizes.hyper))

    def expected(self, features: Tensor, before: Tensor, step: float) -> tuple[Tensor, Tensor]:
        """Means and scales of the latents of slices, in units of latents.

        Parameters
        ----------
        features : Tensor (n, hyper, h, w)
            As `hyper_synthesis` gives them.
        before : Tensor (n, latents, h, w)
            Decoded latents of the slice before each; zeros where there is none.
        step : float
            Between two symbols of a latent.
        """
        plane = torch.full_like(features[:, :1], math.log2(step))
        means, raw = self.context(torch.cat([features, before, plane], 1)).chunk(2, 1)
        return means, functional.softplus(raw)
