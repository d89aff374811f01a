"""Images to symbols under frozen tables, and symbols to images.

What decides a table is computed in double precision and put on a grid; what lies near an edge of
that grid is recorded (see `near`). So symbols decode the same whatever computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.neural import near
from medroi.inner.neural.tables import gaussian_tables, scale_edges
from medroi.inner.neural.tcm.network.loading import Networks

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]

# Images to hyper latents.
_HYPER_STEP = 64
# Latents to hyper latents.
_LATENT_STEP = 4
_MAX_SYMBOL = 1 << 30


@dataclass(frozen=True)
class SliceSymbols:
    """The symbols of one slice.

    Attributes
    ----------
    hyper : ndarray of int32, shape (hyper channels, h / 64, w / 64)
    latents : ndarray of int32, shape (M, h / 16, w / 16)
    rows : ndarray of int32, shape (M, h / 16, w / 16)
        The row of the Gaussian tables of each latent.
    """

    hyper: Integers
    latents: Integers
    rows: Integers


class _Coder(Protocol):
    """Encoder or decoder of the groups of a batch, called with one group after the other."""

    def rows(self, group: int, scales: Reals) -> Integers: ...

    def symbols(self, group: int, means: Reals, rows: Integers) -> Integers: ...


def find_symbols(networks: Networks, images: Reals) -> tuple[list[SliceSymbols], near.Near]:
    """The symbols of a batch of padded slices.

    Parameters
    ----------
    networks : Networks
    images : ndarray of float64, shape (n, h, w)
        Values from 0 to 1.

    Returns
    -------
    symbols : list of SliceSymbols
    record : Near
        Positions count the latents of the batch in coding order.

    Raises
    ------
    InvalidArgument
        Where the network gives something that is no latent.
    """
    first = next(networks.transforms.parameters())
    with _full_precision(first.device):
        latents = networks.transforms.analysis(
            torch.from_numpy(images).to(first.device, first.dtype)[:, None]
        )
        hyper = networks.transforms.hyper_analysis(latents).cpu().double()
    hyper_symbols = _rounded((hyper - networks.medians).numpy())
    coder = _Encoder(latents.cpu().double().numpy(), networks.sizes.n_groups)
    _walk(networks, hyper_symbols, coder)
    return [
        SliceSymbols(*arrays)
        for arrays in zip(hyper_symbols, coder.chosen, coder.placed, strict=True)
    ], coder.record()


def read_latents(
    networks: Networks,
    coded: Sequence[tuple[memoryview, memoryview]],
    shape: tuple[int, int],
    record: near.Near,
) -> tuple[list[SliceSymbols], Tensor]:
    """The symbols and refined latents of a batch of slices.

    Parameters
    ----------
    networks : Networks
    coded : sequence of (bytes, bytes)
        Hyper symbols and symbols of each slice, coded.
    shape : (int, int)
        Height and width of the padded slices.
    record : Near
        What the encoder recorded of this batch.

    Raises
    ------
    CorruptStream
    """
    height, width = (side // _HYPER_STEP for side in shape)
    hyper_rows = rows_of_hyper((networks.sizes.hyper_channels, height, width))
    hyper = np.stack([networks.hyper_tables.decode(each, hyper_rows) for each, _ in coded])
    if np.abs(hyper.astype(np.int64)).max() > _MAX_SYMBOL:
        raise CorruptStream("corrupt stream: an impossible symbol")
    coder = _Decoder([each for _, each in coded], record, networks, shape)
    latents = _walk(networks, hyper, coder)
    coder.finish()
    return [
        SliceSymbols(*arrays) for arrays in zip(hyper, coder.chosen, coder.placed, strict=True)
    ], latents


def draw(networks: Networks, latents: Tensor) -> Reals:
    """Padded slices (n, h, w) from refined latents, clamped to 0 to 1."""
    first = next(networks.transforms.parameters())
    with _full_precision(first.device):
        images = networks.transforms.synthesis(latents.to(first.device, first.dtype))
    drawn: Reals = images[:, 0].clamp(0, 1).cpu().double().numpy()
    return drawn


def _full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Convolutions of a GPU without TensorFloat-32, which keeps 10 bits of each factor."""
    if device.type != "cuda":
        return nullcontext()
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, deterministic=True, allow_tf32=False
    )
    return flags


def rows_of_hyper(shape: tuple[int, ...]) -> Integers:
    """The row of the hyper tables of each hyper symbol [channels, h, w]: its channel."""
    rows = np.empty(shape, np.int32)
    rows[...] = np.arange(shape[0])[:, None, None]
    return rows


def n_latents(networks: Networks, shape: tuple[int, int]) -> int:
    """Latents of a padded slice."""
    height, width = (side // _HYPER_STEP * _LATENT_STEP for side in shape)
    return networks.sizes.m * height * width


def _walk(networks: Networks, hyper_symbols: Integers, coder: _Coder) -> Tensor:
    """Go through the groups; returns the refined latents of all of them."""
    model = networks.model
    hyper = model.hyper_synthesis(torch.from_numpy(hyper_symbols).double() + networks.medians)
    done: list[Tensor] = []
    for group in range(networks.sizes.n_groups):
        means, scales, support = model.describe(group, hyper, done)
        rows = coder.rows(group, scales.numpy())
        symbols = torch.from_numpy(coder.symbols(group, means.numpy(), rows))
        done.append(model.refine(group, support, means + symbols))
    return torch.cat(done, dim=1)


def _rounded(values: Reals) -> Integers:
    """Whole numbers, half to even.

    Raises
    ------
    InvalidArgument
    """
    if not np.all(np.abs(values) < _MAX_SYMBOL):
        raise InvalidArgument(
            "the network gives latents that are NaN or beyond 2^30: these weights do not suit "
            "this region, or are damaged"
        )
    return np.rint(values).astype(np.int32)


class _Groups:
    """Symbols and rows of a batch, as far as its groups are known."""

    def __init__(self, shape: tuple[int, ...], n_groups: int) -> None:
        self.chosen = np.zeros(shape, np.int32)
        self.placed = np.zeros(shape, np.int32)
        self._channels = shape[1] // n_groups
        self._edges = scale_edges()[:-1]

    def _of(self, group: int) -> slice:
        return slice(group * self._channels, (group + 1) * self._channels)

    def _start(self, number: int, group: int) -> int:
        """Position in coding order of a group of the slice of this number."""
        n_each = int(np.prod(self.chosen.shape[2:]))
        return (number * self.chosen.shape[1] + group * self._channels) * n_each


class _Encoder(_Groups):
    def __init__(self, latents: Reals, n_groups: int) -> None:
        super().__init__(latents.shape, n_groups)
        self._latents = latents
        self._positions: list[npt.NDArray[np.int64]] = []
        self._places: list[Integers] = []

    def rows(self, group: int, scales: Reals) -> Integers:
        rows = np.empty(scales.shape, np.int32)
        for number, each in enumerate(scales):
            rows[number], close = near.decide_between(each, self._edges)
            self._positions.append(close.positions + self._start(number, group))
            self._places.append(close.places)
        self.placed[:, self._of(group)] = rows
        return rows

    def symbols(self, group: int, means: Reals, rows: Integers) -> Integers:
        chosen = _rounded(self._latents[:, self._of(group)] - means)
        self.chosen[:, self._of(group)] = chosen
        return chosen

    def record(self) -> near.Near:
        """All that lay near an edge."""
        positions, places = np.concatenate(self._positions), np.concatenate(self._places)
        order = np.argsort(positions)
        return near.Near(positions[order], places[order])


class _Decoder(_Groups):
    def __init__(
        self,
        coded: Sequence[memoryview],
        record: near.Near,
        networks: Networks,
        shape: tuple[int, int],
    ) -> None:
        height, width = (side // _HYPER_STEP * _LATENT_STEP for side in shape)
        sizes = networks.sizes
        super().__init__((len(coded), sizes.m, height, width), sizes.n_groups)
        tables = gaussian_tables()
        self._readers = [tables.reader(each) for each in coded]
        self._record = record

    def rows(self, group: int, scales: Reals) -> Integers:
        rows = np.empty(scales.shape, np.int32)
        for number, each in enumerate(scales):
            start = self._start(number, group)
            places = near.between(each, self._edges)
            rows[number] = near.believe(places, self._record.within(start, each.size))
        if rows.min() < 0 or rows.max() > self._edges.size:
            raise CorruptStream("corrupt stream: a recorded place is off the grid")
        self.placed[:, self._of(group)] = rows
        return rows

    def symbols(self, group: int, means: Reals, rows: Integers) -> Integers:
        chosen = np.stack(
            [reader.take(each) for reader, each in zip(self._readers, rows, strict=True)]
        )
        self.chosen[:, self._of(group)] = chosen
        return chosen

    def finish(self) -> None:
        """Refuse bytes behind the last symbol."""
        for reader in self._readers:
            reader.finish()
