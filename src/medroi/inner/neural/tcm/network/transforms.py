"""The analysis and synthesis transforms of TCM, with and without the auxiliary path of AuxT."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from medroi.inner.neural.tcm.network.attention import mixed_pair
from medroi.inner.neural.tcm.network.convolutions import (
    ResidualDoubling,
    ResidualHalving,
    convolution,
    doubling,
)
from medroi.inner.neural.tcm.network.haar import HaarDoubling, HaarHalving
from medroi.inner.neural.tcm.sizes import HYPER_HEAD_DIM, HYPER_WINDOW, WINDOW, Sizes

_HEAD_DIMS = (8, 16, 32)
# Layers of g_a and g_s behind which the auxiliary path is added.
_ADDED_IN_ANALYSIS = (0, 3, 6, 9)
_ADDED_IN_SYNTHESIS = (2, 5, 8, 9)


class Transforms(nn.Module):
    """Image to latents and back, and latents to hyper latents."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.g_a = _analysis(sizes)
        self.g_s = _synthesis(sizes)
        self.h_a = _hyper_analysis(sizes)
        if sizes.auxiliary:
            self.AuxT_enc, self.AuxT_dec = _auxiliary(sizes)
        self._auxiliary = sizes.auxiliary

    def analysis(self, images: Tensor) -> Tensor:
        """Images [n, image channels, h, w] to latents [n, M, h / 16, w / 16]."""
        if not self._auxiliary:
            latents: Tensor = self.g_a(images)
            return latents
        main = side = images
        blocks = iter(self.AuxT_enc)
        for number, layer in enumerate(self.g_a):
            main = layer(main)
            if number in _ADDED_IN_ANALYSIS:
                side = next(blocks)(side)
                main = main + side
        return main

    def hyper_analysis(self, latents: Tensor) -> Tensor:
        """Latents [n, M, h, w] to hyper latents [n, 192, h / 4, w / 4]."""
        hyper: Tensor = self.h_a(latents)
        return hyper

    def synthesis(self, latents: Tensor) -> Tensor:
        """Latents [n, M, h / 16, w / 16] to images [n, image channels, h, w], not clamped."""
        if not self._auxiliary:
            images: Tensor = self.g_s(latents)
            return images
        main = side = latents
        blocks = iter(self.AuxT_dec)
        for number, layer in enumerate(self.g_s):
            main = layer(main)
            if number in _ADDED_IN_SYNTHESIS:
                side = next(blocks)(side)
                main = main + side
        return main


def _analysis(sizes: Sizes) -> nn.Sequential:
    layers: list[nn.Module] = []
    n_in, width = sizes.image_channels, 2 * sizes.n
    for head_dim in _HEAD_DIMS:
        layers += [ResidualHalving(n_in, width), *mixed_pair(sizes.n, head_dim, WINDOW)]
        n_in = width
    return nn.Sequential(*layers, convolution(width, sizes.m, stride=2))


def _synthesis(sizes: Sizes) -> nn.Sequential:
    layers: list[nn.Module] = []
    n_in, width = sizes.m, 2 * sizes.n
    for head_dim in reversed(_HEAD_DIMS):
        layers += [ResidualDoubling(n_in, width), *mixed_pair(sizes.n, head_dim, WINDOW)]
        n_in = width
    return nn.Sequential(*layers, doubling(width, sizes.image_channels))


def _hyper_analysis(sizes: Sizes) -> nn.Sequential:
    width = 2 * sizes.n
    return nn.Sequential(
        ResidualHalving(sizes.m, width),
        *mixed_pair(sizes.n, HYPER_HEAD_DIM, HYPER_WINDOW),
        convolution(width, sizes.hyper_channels, stride=2),
    )


def _auxiliary(sizes: Sizes) -> tuple[nn.ModuleList, nn.ModuleList]:
    width = 2 * sizes.n
    down = (sizes.image_channels, width, width, width, sizes.m)
    halving = nn.ModuleList(HaarHalving(*pair) for pair in pairwise(down))
    return halving, nn.ModuleList(HaarDoubling(*pair) for pair in pairwise(reversed(down)))
