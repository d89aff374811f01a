"""One slice of HiFiC: image to symbols, symbols to bytes, and back."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.neural import near
from medroi.inner.neural.hific.network.loading import Networks
from medroi.inner.neural.hific.prior import logistic_tables
from medroi.inner.neural.tables import SMALLEST_SCALE, Tables, gaussian_tables, scale_edges

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]
STRIDE = 16
LATENT_MULTIPLE = 4
# float32 of 0.11, as checkpoints hold it.
_LOWER_BOUND = float(np.float32(SMALLEST_SCALE))
_MAX_SYMBOL = 2.0**30


@dataclass(frozen=True)
class Setting:
    """Training settings of a checkpoint.

    Attributes
    ----------
    normalize : bool
        Images run from -1 to 1 and the generator ends in tanh.
    likelihood : {"gaussian", "logistic"}
        Of the latents.
    """

    normalize: bool
    likelihood: str

    def tables(self) -> Tables:
        """Rows of the latents, one per deviation."""
        makers: dict[str, Callable[[], Tables]] = {
            "gaussian": gaussian_tables,
            "logistic": logistic_tables,
        }
        return makers[self.likelihood]()


@dataclass(frozen=True)
class Symbols:
    """Symbols of one slice.

    Attributes
    ----------
    hyper : ndarray of int32, shape (hyper, h / 4, w / 4)
    latents : ndarray of int32, shape (latents, h, w)
    """

    hyper: Integers
    latents: Integers

    @property
    def crc(self) -> int:
        """CRC-32 as little-endian integers, hyperlatents first."""
        crc = zlib.crc32(self.hyper.astype("<i4").tobytes())
        return zlib.crc32(self.latents.astype("<i4").tobytes(), crc)


def pad_latents(latents: Tensor) -> Tensor:
    """Latents mirrored to the right and below up to a multiple of 4."""
    below, right = (-size % LATENT_MULTIPLE for size in latents.shape[-2:])
    return functional.pad(latents, (0, right, 0, below), mode="reflect")


def latents_of(networks: Networks, image: Reals, setting: Setting) -> Tensor:
    """Padded latents (1, latents, h, w) of one padded image, in double precision on the CPU."""
    parameter = next(networks.transforms.parameters())
    given = torch.from_numpy(2.0 * image - 1.0 if setting.normalize else image)
    with torch.no_grad():
        found = networks.transforms.Encoder(given[None, None].to(parameter))
        return pad_latents(found).double().cpu()


def expected(networks: Networks, hyper: Integers) -> tuple[Reals, Reals]:
    """Means and unbounded deviations of the latents, each (latents, h, w)."""
    with torch.no_grad():
        means, deviations = networks.model.expected(torch.from_numpy(hyper).double()[None])
    return means[0].numpy(), deviations[0].numpy()


def find(networks: Networks, image: Reals, setting: Setting) -> tuple[Symbols, Integers, near.Near]:
    """Symbols of one padded image, the rows of its latents, and the rows near an edge.

    Raises
    ------
    InvalidArgument
        For weights that give no usable numbers.
    """
    latents = latents_of(networks, image, setting)
    with torch.no_grad():
        hyper = _round(networks.model.hyper(latents)[0].numpy())
    means, deviations = expected(networks, hyper)
    rows, record = near.decide_between(deviations, _edges())
    return Symbols(hyper, _round(latents[0].numpy() - means)), rows, record


def write(networks: Networks, image: Reals, setting: Setting) -> tuple[bytes, bytes, int]:
    """Two sections of one padded image, and the CRC-32 of its symbols."""
    symbols, rows, record = find(networks, image, setting)
    hyper = networks.hyper_tables.encode(symbols.hyper, _hyper_rows(symbols.hyper.shape))
    latents = setting.tables().encode(symbols.latents, rows)
    return hyper, record.pack() + latents, symbols.crc


def read(
    networks: Networks, sections: tuple[memoryview, memoryview], size: tuple[int, int],
    setting: Setting,
) -> tuple[Symbols, Reals]:  # fmt: skip
    """Symbols and decoded latents of one slice.

    Parameters
    ----------
    size : (int, int)
        Height and width of the padded latents.

    Raises
    ------
    CorruptStream
    """
    shape = (networks.sizes.hyper, size[0] // LATENT_MULTIPLE, size[1] // LATENT_MULTIPLE)
    hyper = networks.hyper_tables.decode(sections[0], _hyper_rows(shape))
    means, deviations = expected(networks, hyper)
    if not (np.isfinite(means).all() and np.isfinite(deviations).all()):
        raise CorruptStream("corrupt stream: hyperlatents give no probabilities")
    record, rest = near.Near.unpack(sections[1])
    rows = near.believe(near.between(deviations, _edges()), record)
    latents = setting.tables().decode(rest, rows)
    return Symbols(hyper, latents), latents + means


def draw(networks: Networks, latents: Reals, setting: Setting) -> Reals:
    """The image of decoded latents (latents, h, w), clamped to 0 .. 1."""
    parameter = next(networks.transforms.parameters())
    with torch.no_grad():
        image = networks.transforms.Generator(torch.from_numpy(latents)[None].to(parameter))
        image = image[0, 0].double()
        if setting.normalize:
            image = (torch.tanh(image) + 1.0) / 2.0
        drawn: Reals = image.clamp(0.0, 1.0).cpu().numpy()
    return drawn


def _edges() -> Reals:
    return scale_edges()[:-1]


def _hyper_rows(shape: tuple[int, ...]) -> npt.NDArray[np.uint16]:
    channels = np.arange(shape[0], dtype=np.uint16)
    return np.broadcast_to(channels[:, np.newaxis, np.newaxis], shape)


def _round(values: Reals) -> Integers:
    if not (np.abs(values) < _MAX_SYMBOL).all():
        raise InvalidArgument("hific: these weights give latents that are no usable numbers")
    return near.whole(values)
