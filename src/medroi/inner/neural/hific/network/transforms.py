"""The transforms of HiFiC (Mentzer et al., NeurIPS 2020): image to latents and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

_EPSILON = 1e-3
_STEPS = 4


@dataclass(frozen=True)
class Sizes:
    """Numbers of channels; they follow from the tensors.

    Attributes
    ----------
    filters : tuple of int
        Of the encoder's five blocks, from the image on.
    latents : int
    hyper : int
    n_blocks : int
        Residual blocks of the generator.
    image_channels : int
    """

    filters: tuple[int, ...]
    latents: int
    hyper: int
    n_blocks: int
    image_channels: int


class ChannelNorm(nn.Module):
    """Each pixel's channels to mean 0 and variance 1, unbiased; then scaled and shifted."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` of shape (n, channels, height, width)."""
        variance, mean = torch.var_mean(x, dim=1, correction=1, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + _EPSILON) * self.gamma + self.beta


def _down(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d((0, 1, 1, 0)),
        nn.Conv2d(n_in, n_out, 3, stride=2),
        ChannelNorm(n_out),
        nn.ReLU(),
    )


def _up(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(n_in, n_out, 3, stride=2, padding=1, output_padding=1),
        ChannelNorm(n_out),
        nn.ReLU(),
    )


class Encoder(nn.Module):
    """Image (n, channels, 16 h, 16 w) to latents (n, latents, h, w)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        widths = sizes.filters
        self.conv_block1 = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(sizes.image_channels, widths[0], 7),
            ChannelNorm(widths[0]),
            nn.ReLU(),
        )
        for step in range(_STEPS):
            setattr(self, f"conv_block{step + 2}", _down(widths[step], widths[step + 1]))
        self.conv_block_out = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(widths[-1], sizes.latents, 3)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Latents of images."""
        x: Tensor = self.conv_block1(image)
        for step in range(_STEPS):
            x = getattr(self, f"conv_block{step + 2}")(x)
        latents: Tensor = self.conv_block_out(x)
        return latents


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.norm1 = ChannelNorm(channels)
        self.norm2 = ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        inside = torch.relu(self.norm1(self.conv1(self.pad(x))))
        added: Tensor = x + self.norm2(self.conv2(self.pad(inside)))
        return added


class Generator(nn.Module):
    """Decoded latents (n, latents, h, w) to images (n, channels, 16 h, 16 w), not clamped."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        widths = sizes.filters[::-1]
        self.conv_block_init = nn.Sequential(
            ChannelNorm(sizes.latents),
            nn.ReflectionPad2d(1),
            nn.Conv2d(sizes.latents, widths[0], 3),
            ChannelNorm(widths[0]),
        )
        self.n_blocks = sizes.n_blocks
        for number in range(sizes.n_blocks):
            setattr(self, f"resblock_{number}", _Residual(widths[0]))
        for step in range(_STEPS):
            setattr(self, f"upconv_block{step + 1}", _up(widths[step], widths[step + 1]))
        self.conv_block_out = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(widths[-1], sizes.image_channels, 7)
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Images of decoded latents."""
        head: Tensor = self.conv_block_init(latents)
        x = head
        for number in range(self.n_blocks):
            x = getattr(self, f"resblock_{number}")(x)
        x = x + head
        for step in range(_STEPS):
            x = getattr(self, f"upconv_block{step + 1}")(x)
        image: Tensor = self.conv_block_out(x)
        return image


class Transforms(nn.Module):
    """Both ways between images and latents."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.Encoder = Encoder(sizes)
        self.Generator = Generator(sizes)
