"""Convolutional blocks of the transforms: generalised divisive normalisation and residual blocks.

Sources: Balle, Laparra and Simoncelli, "Density modeling of images using a generalized
normalization transformation" (2016); Liu, Sun and Katto, "Learned image compression with mixed
transformer-CNN architectures" (2023).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The stored parameters are square roots, moved up by this so that their gradient never vanishes.
_PEDESTAL = 2.0**-36
_BETA_FLOOR = (1e-6 + _PEDESTAL) ** 0.5
_GAMMA_FLOOR = 2.0**-18
_LEAK = 0.01


class Normalisation(nn.Module):
    """Divisive normalisation, x / sqrt(beta + gamma x^2), or its approximate inverse."""

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self._inverse = inverse
        self.beta = nn.Parameter(torch.empty(channels))
        self.gamma = nn.Parameter(torch.empty(channels, channels))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise [n, c, h, w]."""
        beta = self.beta.clamp_min(_BETA_FLOOR).square() - _PEDESTAL
        gamma = self.gamma.clamp_min(_GAMMA_FLOOR).square() - _PEDESTAL
        norm = nn.functional.conv2d(images.square(), gamma[:, :, None, None], beta)
        return images * (norm.sqrt() if self._inverse else norm.rsqrt())


def convolution(n_in: int, n_out: int, side: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1."""
    return nn.Conv2d(n_in, n_out, side, stride=stride, padding=side // 2)


def doubling(n_in: int, n_out: int) -> nn.Sequential:
    """A convolution to four times the channels, which become twice the height and width."""
    return nn.Sequential(convolution(n_in, 4 * n_out), nn.PixelShuffle(2))


class Residual(nn.Module):
    """Two convolutions, each with its activation, then the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels)
        self.conv2 = convolution(channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, c, h, w] to images of the same shape."""
        inner = nn.functional.leaky_relu(self.conv1(images), _LEAK)
        return nn.functional.leaky_relu(self.conv2(inner), _LEAK) + images


class ResidualHalving(nn.Module):
    """Residual block with stride 2."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = convolution(n_in, n_out, stride=2)
        self.conv2 = convolution(n_out, n_out)
        self.gdn = Normalisation(n_out)
        self.skip = convolution(n_in, n_out, side=1, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, c, h, w] to [n, c', h / 2, w / 2]."""
        inner = nn.functional.leaky_relu(self.conv1(images), _LEAK)
        out: Tensor = self.gdn(self.conv2(inner)) + self.skip(images)
        return out


class ResidualDoubling(nn.Module):
    """Residual block that doubles height and width."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.subpel_conv = doubling(n_in, n_out)
        self.conv = convolution(n_out, n_out)
        self.igdn = Normalisation(n_out, inverse=True)
        self.upsample = doubling(n_in, n_out)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, c, h, w] to [n, c', 2 h, 2 w]."""
        inner = nn.functional.leaky_relu(self.subpel_conv(images), _LEAK)
        out: Tensor = self.igdn(self.conv(inner)) + self.upsample(images)
        return out


class ResidualUnit(nn.Module):
    """Bottleneck of half the channels: 1x1, 3x3, 1x1, then the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(
            convolution(channels, half, side=1),
            nn.ReLU(),
            convolution(half, half),
            nn.ReLU(),
            convolution(half, channels, side=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, c, h, w] to images of the same shape."""
        return nn.functional.relu(self.conv(images) + images)
