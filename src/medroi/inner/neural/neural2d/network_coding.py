"""Slices to symbols under frozen tables, and symbols to slices.

What decides a table or a mean is computed in double precision and put on a grid; what lies near an
edge of that grid is recorded (see `near`). Decoded latents are therefore the same numbers on every
machine, however many slices they are carried through.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.neural import near
from medroi.inner.neural.neural2d.network_loading import Networks
from medroi.inner.neural.tables import gaussian_tables, scale_edges

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]

# Pixels per latent, and latents per hyper latent, along an axis.
STRIDE, HYPER_STRIDE = 8, 4
# Means are multiples of the step over this.
MEAN_PLACES = 16
_MAX_SYMBOL = 1 << 26
# Slices that go through a transform at once.
_BATCH = 4


@dataclass(frozen=True)
class Coded:
    """The slices of one part, coded.

    Attributes
    ----------
    sections : tuple of bytes-like
        Records of means and of rows, hyper symbols, symbols.
    symbols_crc : int
    """

    sections: tuple[bytes | memoryview, ...]
    symbols_crc: int


# For the number of a slice, places of its means and rows from real numbers.
_Decide = Callable[[int, Reals, Reals], tuple[Integers, Integers]]
# For the number of a slice and its rows and places of means, its symbols.
_Symbols = Callable[[int, Integers, Integers], Integers]


def write(networks: Networks, slices: Reals, step: float) -> Coded:
    """Code padded slices (n, h, w) with values from 0 to 1.

    Raises
    ------
    InvalidArgument
        For weights that give no usable numbers.
    """
    latents = _analyse(networks, slices)
    with torch.no_grad():
        found = networks.prior.hyper_analysis(torch.from_numpy(latents))
    hyper = _whole(found.numpy() - _hyper_means(networks))
    records: tuple[list[near.Near], list[near.Near]] = ([], [])
    rows = np.empty(latents.shape, np.int32)
    symbols, places = (np.empty(latents.shape, np.int32) for _ in range(2))

    def decide(number: int, means: Reals, scales: Reals) -> tuple[Integers, Integers]:
        if not _are_usable(means, scales):
            raise InvalidArgument("neural2d: these weights give no probabilities for this region")
        places[number], close_means = near.decide_whole(means)
        rows[number], close_rows = near.decide_between(scales, scale_edges()[:-1])
        records[0].append(close_means)
        records[1].append(close_rows)
        return places[number], rows[number]

    def choose(number: int, places: Integers, _: Integers) -> Integers:
        chosen = symbols[number] = _whole(latents[number] / step - places / MEAN_PLACES)
        return chosen

    _walk(networks, hyper, step, decide, choose)
    each = math.prod(latents.shape[1:])
    sections = (
        _joined(records[0], each).pack(),
        _joined(records[1], each).pack(),
        gaussian_tables().encode(hyper, _hyper_rows(networks, hyper.shape)),
        gaussian_tables().encode(symbols, rows),
    )
    return Coded(sections, _crc(hyper, symbols, places))


def read(networks: Networks, coded: Coded, shape: tuple[int, int, int], step: float) -> Reals:
    """Decoded latents (n, latents, h / 8, w / 8) of padded slices of a shape (n, h, w).

    Raises
    ------
    CorruptStream
        For what this network did not write, or what this machine cannot decode.
    """
    n_slices, height, width = shape[0], shape[1] // STRIDE, shape[2] // STRIDE
    size = (n_slices, networks.sizes.hyper, height // HYPER_STRIDE, width // HYPER_STRIDE)
    views = [memoryview(section) for section in coded.sections]
    if len(views) != 4:
        raise CorruptStream(f"corrupt stream: {len(views)} sections of neural2d, expected 4")
    records = [_record(view) for view in views[:2]]
    hyper = gaussian_tables().decode(views[2], _hyper_rows(networks, size))
    _check_symbols(hyper)
    reader = gaussian_tables().reader(views[3])
    latent_size = (n_slices, networks.sizes.latents, height, width)
    symbols, places = (np.empty(latent_size, np.int32) for _ in range(2))
    if any(r.positions.size and r.positions[-1] >= symbols.size for r in records):
        raise CorruptStream("corrupt stream: a near element behind the last latent")

    def decide(number: int, means: Reals, scales: Reals) -> tuple[Integers, Integers]:
        if not _are_usable(means, scales):
            raise CorruptStream("corrupt stream: neural2d's latents give no probabilities")
        own = [near.whole(means), near.between(scales, scale_edges()[:-1])]
        start = number * means.size
        places[number], rows = (
            near.believe(values, record.within(start, means.size))
            for values, record in zip(own, records, strict=True)
        )
        if rows.min() < 0 or rows.max() >= scale_edges().size:
            raise CorruptStream("corrupt stream: a recorded place is off the grid")
        return places[number], rows

    def choose(number: int, _: Integers, rows: Integers) -> Integers:
        taken = symbols[number] = reader.take(rows)
        _check_symbols(taken)
        return taken

    latents = _walk(networks, hyper, step, decide, choose)
    reader.finish()
    if _crc(hyper, symbols, places) != coded.symbols_crc:
        raise CorruptStream(
            "corrupt stream: neural2d symbols or means of another CRC: this machine or its PyTorch "
            "computes other numbers than the writer's"
        )
    return latents


def draw(networks: Networks, latents: Reals) -> Reals:
    """Padded slices (n, h, w) of decoded latents, clamped to 0 to 1."""
    first = next(networks.transforms.parameters())
    drawn = []
    with torch.no_grad():
        for batch in torch.split(torch.from_numpy(latents), _BATCH):
            slices = networks.transforms.synthesis(batch.to(first.device, first.dtype))
            drawn.append(slices[:, 0].double().clamp(0, 1).cpu().numpy())
    return np.concatenate(drawn)


def _analyse(networks: Networks, slices: Reals) -> Reals:
    first = next(networks.transforms.parameters())
    found = []
    with torch.no_grad():
        for batch in torch.split(torch.from_numpy(slices)[:, None], _BATCH):
            latents = networks.transforms.analysis(batch.to(first.device, first.dtype))
            found.append(latents.double().cpu().numpy())
    return np.concatenate(found)


def _walk(
    networks: Networks, hyper: Integers, step: float, decide: _Decide, choose: _Symbols
) -> Reals:
    """Go from slice to slice; returns the decoded latents."""
    decoded: list[Reals] = []
    with torch.no_grad():
        given = torch.from_numpy(hyper + _hyper_means(networks))
        sides = (HYPER_STRIDE * size for size in hyper.shape[-2:])
        before = given.new_zeros((1, networks.sizes.latents, *sides))
        for number in range(len(hyper)):
            features = networks.prior.hyper_synthesis(given[number : number + 1])
            means, scales = networks.prior.expected(features, before, step)
            places, rows = decide(
                number, means[0].numpy() * (MEAN_PLACES / step), scales[0].numpy() / step
            )
            symbols = choose(number, places, rows)
            decoded.append((symbols + places / MEAN_PLACES) * step)
            before = torch.from_numpy(decoded[-1])[None]
    return np.stack(decoded)


def _hyper_means(networks: Networks) -> Reals:
    means: Reals = networks.prior.hyper_mean.numpy()[:, None, None]
    return means


def _hyper_rows(networks: Networks, shape: tuple[int, ...]) -> Integers:
    return np.broadcast_to(networks.hyper_rows[:, None, None], shape)


def _joined(records: list[near.Near], each: int) -> near.Near:
    """One record of all slices, positions counted through."""
    return near.Near(
        np.concatenate([record.positions + i * each for i, record in enumerate(records)]),
        np.concatenate([record.places for record in records]),
    )


def _record(section: memoryview) -> near.Near:
    record, rest = near.Near.unpack(section)
    if len(rest):
        raise CorruptStream("corrupt stream: bytes behind a record of near elements")
    return record


def _whole(values: Reals) -> Integers:
    if not (np.abs(values) < _MAX_SYMBOL).all():
        raise InvalidArgument(
            "neural2d: these weights give no usable latents for this region and step: they are "
            "damaged, or were trained on something else"
        )
    return near.whole(values)


def _are_usable(means: Reals, scales: Reals) -> bool:
    return bool((np.abs(means) < _MAX_SYMBOL).all() and np.isfinite(scales).all())


def _check_symbols(symbols: Integers) -> None:
    if symbols.size and np.abs(symbols.astype(np.int64)).max() > _MAX_SYMBOL:
        raise CorruptStream("corrupt stream: an impossible symbol")


def _crc(*arrays: Integers) -> int:
    """Of all that decoded latents are made of."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(array.astype("<i4").tobytes(), crc)
    return crc
