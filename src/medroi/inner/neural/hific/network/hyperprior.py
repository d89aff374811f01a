"""The hyperprior of HiFiC: latents to hyperlatents, and these to means and deviations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medroi.inner.neural.hific.network.transforms import Sizes


class _Analysis(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        wide = sizes.hyper
        self.conv1 = nn.Conv2d(sizes.latents, wide, 3, padding=1)
        self.conv2 = nn.Conv2d(wide, wide, 5, stride=2, padding=2, padding_mode="reflect")
        self.conv3 = nn.Conv2d(wide, wide, 5, stride=2, padding=2, padding_mode="reflect")

    def forward(self, latents: Tensor) -> Tensor:
        x = torch.relu(self.conv1(latents))
        hyper: Tensor = self.conv3(torch.relu(self.conv2(x)))
        return hyper


class _Synthesis(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        wide = sizes.hyper
        self.conv1 = nn.ConvTranspose2d(wide, wide, 5, stride=2, padding=2, output_padding=1)
        self.conv2 = nn.ConvTranspose2d(wide, wide, 5, stride=2, padding=2, output_padding=1)
        self.conv3 = nn.ConvTranspose2d(wide, sizes.latents, 3, padding=1)

    def forward(self, hyper: Tensor) -> Tensor:
        x = torch.relu(self.conv2(torch.relu(self.conv1(hyper))))
        found: Tensor = self.conv3(x)
        return found


class _Hyperprior(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.analysis_net = _Analysis(sizes)
        self.synthesis_mu = _Synthesis(sizes)
        self.synthesis_std = _Synthesis(sizes)


class LatentModel(nn.Module):
    """Expected distribution of the latents."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.Hyperprior = _Hyperprior(sizes)

    def hyper(self, latents: Tensor) -> Tensor:
        """Hyperlatents (n, hyper, h / 4, w / 4) of latents (n, latents, h, w)."""
        found: Tensor = self.Hyperprior.analysis_net(latents)
        return found

    def expected(self, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Means and deviations of the latents; these without their lower bound of 0.11."""
        return self.Hyperprior.synthesis_mu(hyper), self.Hyperprior.synthesis_std(hyper)
