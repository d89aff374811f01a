"""The probability model of TCM: what the hyper latents and earlier groups say of a group.

Source: Liu, Sun and Katto, "Learned image compression with mixed transformer-CNN architectures"
(2023), section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medroi.inner.neural.tcm.network.attention import SupportAttention, mixed_pair
from medroi.inner.neural.tcm.network.convolutions import ResidualDoubling, convolution, doubling
from medroi.inner.neural.tcm.sizes import HYPER_HEAD_DIM, HYPER_WINDOW, WINDOW, Sizes

_SUPPORT_CHANNELS = 128
_SUPPORT_HEAD_DIM = 16
_STACK_CHANNELS = (224, 128)


class LatentModel(nn.Module):
    """Means and scales of the latents, group after group."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        group = sizes.group_channels
        supports = [sizes.m + group * number for number in range(sizes.n_groups)]
        self.h_mean_s = _hyper_synthesis(sizes)
        self.h_scale_s = _hyper_synthesis(sizes)
        self.atten_mean = nn.ModuleList(_attention(channels) for channels in supports)
        self.atten_scale = nn.ModuleList(_attention(channels) for channels in supports)
        self.cc_mean_transforms = nn.ModuleList(_stack(channels, group) for channels in supports)
        self.cc_scale_transforms = nn.ModuleList(_stack(channels, group) for channels in supports)
        self.lrp_transforms = nn.ModuleList(
            _stack(channels + group, group) for channels in supports
        )

    def hyper_synthesis(self, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Hyper latents [n, 192, h / 4, w / 4] to the hyper means and scales, each [n, M, h, w]."""
        return self.h_mean_s(hyper), self.h_scale_s(hyper)

    def describe(
        self, group: int, hyper: tuple[Tensor, Tensor], earlier: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Context of a group, known before it is decoded.

        Parameters
        ----------
        group : int
        hyper : pair of Tensor
            The hyper means and scales.
        earlier : list of Tensor
            The refined values of the groups before this one.

        Returns
        -------
        means, scales : Tensor [n, group channels, h, w]
            Of the normal distributions of this group's latents.
        support : Tensor [n, support channels, h, w]
            What `refine` needs.
        """
        support = self.atten_mean[group](torch.cat((hyper[0], *earlier), dim=1))
        scale_support = self.atten_scale[group](torch.cat((hyper[1], *earlier), dim=1))
        means = self.cc_mean_transforms[group](support)
        return means, self.cc_scale_transforms[group](scale_support), support

    def refine(self, group: int, support: Tensor, rounded: Tensor) -> Tensor:
        """A group's rounded latents with the predicted rest of the rounding added."""
        rest = self.lrp_transforms[group](torch.cat((support, rounded), dim=1))
        out: Tensor = rounded + 0.5 * rest.tanh()
        return out


def _hyper_synthesis(sizes: Sizes) -> nn.Sequential:
    return nn.Sequential(
        ResidualDoubling(sizes.hyper_channels, 2 * sizes.n),
        *mixed_pair(sizes.n, HYPER_HEAD_DIM, HYPER_WINDOW),
        doubling(2 * sizes.n, sizes.m),
    )


def _attention(channels: int) -> nn.Sequential:
    return nn.Sequential(SupportAttention(channels, _SUPPORT_CHANNELS, _SUPPORT_HEAD_DIM, WINDOW))


def _stack(n_in: int, n_out: int) -> nn.Sequential:
    first, second = _STACK_CHANNELS
    return nn.Sequential(
        convolution(n_in, first),
        nn.GELU(),
        convolution(first, second),
        nn.GELU(),
        convolution(second, n_out),
    )
