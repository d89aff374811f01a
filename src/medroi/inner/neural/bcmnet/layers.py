"""The layers of BCM-Net as functions of named tensors.

Nothing here is a `torch.nn.Module`: a layer finds its tensors by the names of the public
checkpoints, so a state dictionary is the network, and this file needs no torch before it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

HEADS = 8
_LEAK = 0.01
_EPSILON = 1e-5

Tensor = Any


@dataclass(frozen=True)
class Layers:
    """The tensors of a network below one name.

    Attributes
    ----------
    tensors : mapping of str to Tensor
        All tensors of the network, of one floating-point type.
    prefix : str
        Name of this part of the network with its trailing dot; empty for the whole.
    """

    tensors: Mapping[str, Tensor]
    prefix: str = ""

    @cached_property
    def _functional(self) -> Any:
        import torch.nn.functional

        return torch.nn.functional

    def __getitem__(self, name: str | int) -> Layers:
        """A part of the network by name."""
        return Layers(self.tensors, f"{self.prefix}{name}.")

    def own(self, name: str) -> Tensor:
        """A tensor of this part, None where it has none of that name."""
        return self.tensors.get(self.prefix + name)

    def conv(self, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
        """Convolution that keeps the grid (or halves it, rounding up), zero padding."""
        weight = self.own("weight")
        padding = dilation * (weight.shape[-1] // 2)
        return self._functional.conv2d(x, weight, self.own("bias"), stride, padding, dilation)

    def leaky(self, x: Tensor) -> Tensor:
        """Leaky rectifier."""
        return self._functional.leaky_relu(x, _LEAK)

    def norm(self, x: Tensor) -> Tensor:
        """Layer normalisation over the channels of [N, C, H, W]."""
        layer = self["norm"]
        weight, bias = layer.own("weight"), layer.own("bias")
        last = x.permute(0, 2, 3, 1)
        normal = self._functional.layer_norm(last, weight.shape, weight, bias, _EPSILON)
        return normal.permute(0, 3, 1, 2)

    def residual(self, x: Tensor) -> Tensor:
        """One residual block: convolution, rectifier, convolution, add."""
        body = self["body"]
        return x + body[2].conv(self.leaky(body[0].conv(x)))

    def chain(self, x: Tensor, count: int) -> Tensor:
        """Residual blocks 0, 1, ... of this part."""
        for number in range(count):
            x = self[number].residual(x)
        return x

    def three_convs(self, x: Tensor) -> Tensor:
        """Three convolutions with rectifiers between them."""
        body = self["body"]
        x = self.leaky(body[0].conv(x))
        x = self.leaky(body[2].conv(x))
        return body[4].conv(x)

    def feed_forward(self, x: Tensor) -> Tensor:
        """1x1 convolution, GELU (by the error function), 1x1 convolution."""
        body = self["body"]
        return body[2].conv(self._functional.gelu(body[0].conv(x)))

    def criss_cross(self, x: Tensor) -> Tensor:
        """Self attention along the columns and along the rows, [N, C, H, W]; no 1/sqrt(d)."""
        import torch

        query, key, value = (
            self[f"{name}_map"].conv(x).unflatten(1, (HEADS, -1))
            for name in ("query", "key", "value")
        )
        vertical, horizontal = [], []
        for head in range(HEADS):  # one at a time: the scores of all need a lot of memory
            q, k, v = query[:, head], key[:, head], value[:, head]
            scores = torch.einsum("nciw,ncjw->nwij", q, k).softmax(-1)
            vertical.append(torch.einsum("nwij,ncjw->nciw", scores, v))
            scores = torch.einsum("nchi,nchj->nhij", q, k).softmax(-1)
            horizontal.append(torch.einsum("nhij,nchj->nchi", scores, v))
        return self["out_map"].conv(torch.cat(vertical + horizontal, 1))

    def cross(self, x: Tensor, references: tuple[Tensor, Tensor]) -> Tensor:
        """Attention of x to two references, in the contraction of the public network."""
        import torch

        query = self["query_map"].conv(x).unflatten(1, (HEADS, -1)).softmax(2)
        found = []
        for number, reference in enumerate(references, 1):
            key, value = (
                self[f"{name}_map_{number}"].conv(reference).unflatten(1, (HEADS, -1)).flatten(3)
                for name in ("key", "value")
            )
            # The query meets the channels of the value; the result has those of the key.
            context = torch.einsum("nkcp,nkdp->nkcd", key.softmax(-1), value)
            found.append(torch.einsum("nkcd,nkdhw->nkchw", context, query).flatten(1, 2))
        return self["out_map"].conv(torch.cat(found, 1))

    def theta(self, x: Tensor) -> Tensor:
        """The six numbers of an affine map, [N, 2, 3], from features."""
        downsample = self["downsample_layers"]
        for number in (0, 2, 4, 6, 8):
            x = downsample[number].conv(x, stride=2)
            x = self.leaky(x) if number < 8 else x
        x = self._functional.interpolate(x, (2, 2), mode="nearest")
        linear = self["theta_estimator"]
        flat = self._functional.linear(x.flatten(1), linear.own("weight"), linear.own("bias"))
        return flat.unflatten(1, (2, 3))

    def warp(self, x: Tensor, theta: Tensor) -> Tensor:
        """Sample x where an affine map says: bilinear, zero outside."""
        grid = self._functional.affine_grid(theta, list(x.shape), align_corners=False)
        return self._functional.grid_sample(
            x, grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
