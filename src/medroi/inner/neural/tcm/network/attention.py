"""Windowed self-attention and the blocks that pair it with convolutions.

Sources: Liu et al., "Swin transformer" (2021); Liu, Sun and Katto, "Learned image compression
with mixed transformer-CNN architectures" (2023).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medroi.inner.neural.tcm.network.convolutions import Residual, ResidualUnit, convolution


class WindowAttention(nn.Module):
    """Self-attention inside square windows, plain or moved by half a window."""

    def __init__(self, channels: int, head_dim: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self._head_dim, self._window, self._shifted = head_dim, window, shifted
        self._n_heads = channels // head_dim
        reach = 2 * window - 1
        self.relative_position_params = nn.Parameter(torch.empty(self._n_heads, reach, reach))
        self.embedding_layer = nn.Linear(channels, 3 * channels)
        self.linear = nn.Linear(channels, channels)

    def forward(self, images: Tensor) -> Tensor:
        """Attend within [n, h, w, c]; h and w are multiples of the window."""
        half = self._window // 2
        if self._shifted:
            images = images.roll((-half, -half), dims=(1, 2))
        n, height, width, channels = images.shape
        grid = (height // self._window, width // self._window)
        queries, keys, values = self._split(self.embedding_layer(images), grid)
        weights = queries @ keys.transpose(-1, -2) * self._head_dim**-0.5 + self._bias()
        if self._shifted:
            self._hide_across_the_seam(weights, n, grid)
        mixed = weights.softmax(dim=-1) @ values
        mixed = mixed.reshape(n, *grid, self._n_heads, self._window, self._window, self._head_dim)
        mixed = mixed.permute(0, 1, 4, 2, 5, 3, 6).reshape(n, height, width, channels)
        out: Tensor = self.linear(mixed)
        return out.roll((half, half), dims=(1, 2)) if self._shifted else out

    def _split(self, embedded: Tensor, grid: tuple[int, int]) -> tuple[Tensor, ...]:
        """Queries, keys and values, each [n windows, heads, positions, head_dim]."""
        n, side = embedded.shape[0], self._window
        cut = embedded.reshape(n, grid[0], side, grid[1], side, 3, self._n_heads, self._head_dim)
        cut = cut.permute(5, 0, 1, 3, 6, 2, 4, 7)
        return tuple(cut.reshape(3, -1, self._n_heads, side * side, self._head_dim))

    def _bias(self) -> Tensor:
        """The bias of each pair of positions, [heads, positions, positions]."""
        steps = torch.arange(self._window, device=self.relative_position_params.device)
        offsets = steps[:, None] - steps + self._window - 1
        rows, columns = offsets[:, None, :, None], offsets[None, :, None, :]
        n_positions = self._window**2
        return self.relative_position_params[:, rows, columns].reshape(-1, n_positions, n_positions)

    def _hide_across_the_seam(self, weights: Tensor, n: int, grid: tuple[int, int]) -> None:
        """Let windows over the border of the rolled image see only their own side of it."""
        side = self._window
        late = torch.arange(side, device=weights.device) >= side // 2
        other_side = late[:, None] != late
        view = weights.view(n, *grid, self._n_heads, *(side, side) * 2)
        view[:, -1].masked_fill_(other_side[:, None, :, None], -torch.inf)
        view[:, :, -1].masked_fill_(other_side[None, :, None, :], -torch.inf)


class TransformerBlock(nn.Module):
    """Attention, then a perceptron, each behind a layer norm with its input added."""

    def __init__(self, channels: int, head_dim: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(channels, eps=1e-5)
        self.msa = WindowAttention(channels, head_dim, window, shifted=shifted)
        self.ln2 = nn.LayerNorm(channels, eps=1e-5)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, h, w, c] to images of the same shape."""
        images = images + self.msa(self.ln1(images))
        out: Tensor = images + self.mlp(self.ln2(images))
        return out


class MixedBlock(nn.Module):
    """Half of the channels through a residual block, half through a transformer block."""

    def __init__(self, channels: int, head_dim: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self.trans_block = TransformerBlock(channels, head_dim, window, shifted=shifted)
        self.conv_block = Residual(channels)
        self.conv1_1 = convolution(2 * channels, 2 * channels, side=1)
        self.conv1_2 = convolution(2 * channels, 2 * channels, side=1)

    def forward(self, images: Tensor) -> Tensor:
        """Images [n, 2 channels, h, w] to images of the same shape."""
        near, far = self.conv1_1(images).chunk(2, dim=1)
        near = self.conv_block(near) + near
        far = self.trans_block(far.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        out: Tensor = images + self.conv1_2(torch.cat((near, far), dim=1))
        return out


def mixed_pair(channels: int, head_dim: int, window: int) -> list[MixedBlock]:
    """Two mixed blocks, with plain and with shifted windows."""
    return [MixedBlock(channels, head_dim, window, shifted=shifted) for shifted in (False, True)]


class _PairOfBlocks(nn.Module):
    def __init__(self, channels: int, head_dim: int, window: int) -> None:
        super().__init__()
        self.block_1 = TransformerBlock(channels, head_dim, window, shifted=False)
        self.block_2 = TransformerBlock(channels, head_dim, window, shifted=True)

    def forward(self, images: Tensor) -> Tensor:
        images = self.block_2(self.block_1(images.permute(0, 2, 3, 1)))
        return images.permute(0, 3, 1, 2)


class SupportAttention(nn.Module):
    """Attention over the support of one group of latent channels."""

    def __init__(self, channels: int, inner: int, head_dim: int, window: int) -> None:
        super().__init__()
        self.in_conv = convolution(channels, inner, side=1)
        self.non_local_block = _PairOfBlocks(inner, head_dim, window)
        self.conv_a = nn.Sequential(*(ResidualUnit(inner) for _ in range(3)))
        self.conv_b = nn.Sequential(
            *(ResidualUnit(inner) for _ in range(3)), convolution(inner, inner, side=1)
        )
        self.out_conv = convolution(inner, channels, side=1)

    def forward(self, support: Tensor) -> Tensor:
        """Support [n, c, h, w] to attended support of the same shape."""
        inner = self.in_conv(support)
        gate = self.conv_b(self.non_local_block(inner)).sigmoid()
        out: Tensor = self.out_conv(self.conv_a(inner) * gate + inner)
        return out
