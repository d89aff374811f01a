"""Inner codec 35: settings of BCM-Net, and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner import slices
from medroi.inner.base import Array, Block, InnerCodec, check_number
from medroi.inner.neural import part as neural_part
from medroi.inner.neural import weights as neural_weights
from medroi.inner.neural.arithmetic import other_arithmetic
from medroi.inner.neural.bcmnet import base, indices, slices_coder
from medroi.inner.neural.bcmnet.layers import Layers
from medroi.inner.neural.bcmnet.manifest import shapes
from medroi.inner.neural.bcmnet.order import GROUP
from medroi.inner.neural.learned import Learned
from medroi.inner.neural.torch_library import load_torch
from medroi.inner.neural.weights import Weights

_MAX_SIDE = 16384
# Before a part's residuals: its value map, its lossy base.
_HEAD_SECTIONS = 2
LAYOUT = neural_weights.Layout("bcmnet", lambda tensors: shapes())


@dataclass(frozen=True)
class Bcmnet(Learned):
    """Lossless: wavelet3d, then residuals under a network's mixtures of logistics.

    Takes integers of at most 16 bits, signed too, and what is such an integer on a scale.

    Attributes
    ----------
    weights : Path or str
        A checkpoint, or the 32 hexadecimal digits of weights that are found by themselves.
    base_psnr : float
        Quality of the lossy base, dB against the range of the region, about.
    bit_depth : int, optional
        Values are divided by 2^bit_depth - 1 for the network; 8 for elements of one byte and 16 for
        others where it is not given, as the public weights expect.
    slices_per_part : int
        Slices that are decoded together, a multiple of 8.
    verify : bool
        Decode every part under another number of threads before it is kept.
    """

    codec_id = 35
    name = "bcmnet"
    dtypes = "integers and scaled floats of 16 bits"
    dims = "3-D"

    weights: Path | str = ""
    base_psnr: float = 40.0
    bit_depth: int | None = None
    slices_per_part: int = 32
    verify: bool = True

    def __post_init__(self) -> None:
        """Refuse what no part can be coded with."""
        self.check_settings("verify")
        check_number(self.name, "base_psnr", self.base_psnr, 0, 200)
        if self.bit_depth is not None and self.bit_depth not in range(1, 17):
            raise InvalidArgument(f"bcmnet: bit_depth={self.bit_depth!r}, expected 1 to 16")
        if self.slices_per_part not in range(GROUP, 1025, GROUP):
            raise InvalidArgument(
                f"bcmnet: slices_per_part={self.slices_per_part!r}, expected a multiple of 8"
            )

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return True

    @classmethod
    def layout(cls) -> neural_weights.Layout:
        """See `Learned.layout`."""
        return LAYOUT

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        if region.dtype.kind not in "biuf":
            raise InvalidArgument(f"bcmnet cannot code elements of dtype {region.dtype}: use zstd")
        if max(slices.slice_shape(region.shape)) > _MAX_SIDE:
            raise InvalidArgument(
                f"bcmnet: slices of {slices.slice_shape(region.shape)}, expected at most "
                f"{_MAX_SIDE} on a side: use smaller chunks or predict3d"
            )
        load_torch(self.name)

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if len(region.shape) < 3:
            return region.shape[0]
        slices_each = indices.slices_shape(region.shape)[0] // region.shape[0]
        return min(region.shape[0], max(1, self.slices_per_part // slices_each))

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`."""
        weights = neural_weights.resolve(self.weights, LAYOUT)
        indexing = indices.find(region)
        found = indexing.of(region)
        step = base.step_for(float(found.max() - found.min()), self.base_psnr)
        depth = self.bit_depth or (8 if region.dtype.itemsize == 1 else 16)
        return _Planned(weights, indexing, step, depth, self.verify)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        load_torch(cls.name)
        found = neural_part.unpack(coded)
        decode_part(found, neural_weights.find(found.weights_hash, LAYOUT), out)


class _Planned(InnerCodec):
    """Coding of the parts of one region."""

    codec_id = Bcmnet.codec_id
    name = Bcmnet.name

    def __init__(
        self, weights: Weights, indexing: indices.Indexing, step: float, depth: int, verify: bool
    ) -> None:
        self._weights, self._indexing = weights, indexing
        self._step, self._depth, self._verify = step, depth, verify

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        found = self._indexing.of(part)
        limits = slices_coder.Limits(int(found.min()), int(found.max()), 2.0**self._depth - 1)
        coded_base = base.encode(found, self._step)
        lossy = np.clip(base.decode(coded_base, found.shape), limits.low, limits.high)
        coded = slices_coder.encode(network_of(self._weights), found, lossy, limits)
        settings = {"bit_depth": self._depth, "low": limits.low, "high": limits.high}
        sections = (self._indexing.head(part), coded_base, *coded.sections)
        packed = neural_part.Part(
            settings, self._weights.hash, float(self._indexing.offset), 1.0, coded.crc, sections
        )
        stored = neural_part.pack(packed)
        if self._verify:
            self._check(stored, part)
        return stored

    def _check(self, stored: bytes, part: Array) -> None:
        """Refuse bytes that do not come back when the network runs otherwise."""
        again = np.empty_like(part)
        with other_arithmetic(self.name):
            decode_part(neural_part.unpack(memoryview(stored)), self._weights, again)
        if again.tobytes() != part.tobytes():
            raise CorruptStream(
                "bcmnet: what was encoded does not decode to the same voxels: use predict3d"
            )

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        Bcmnet.decode(coded, out)


def network_of(weights: Weights) -> Layers:
    """The network in double precision."""
    torch = load_torch(Bcmnet.name)
    return Layers({name: torch.from_numpy(a).double() for name, a in weights.tensors.items()})


def decode_part(found: neural_part.Part, weights: Weights, out: Array) -> None:
    """Decode a part with weights that were found.

    Raises
    ------
    CorruptStream
    """
    neural_weights.check_named(found.weights_hash, weights, Bcmnet.name)
    shape = indices.slices_shape(out.shape)
    limits = _limits(found.settings)
    n_sections = _HEAD_SECTIONS + slices_coder.count_sections(shape)
    if len(found.sections) != n_sections:
        raise CorruptStream(
            f"corrupt stream: a bcmnet part has {len(found.sections)} sections, "
            f"expected {n_sections}"
        )
    head, coded_base, *residuals = found.sections
    lossy = np.clip(base.decode(coded_base, shape), limits.low, limits.high)
    coded = slices_coder.Coded(tuple(residuals), found.symbols_crc)
    volume = slices_coder.decode(network_of(weights), coded, lossy, limits)
    indices.put(volume, found.offset, memoryview(head), out)


def _limits(settings: Any) -> slices_coder.Limits:
    low, high, depth = (settings.get(name) for name in ("low", "high", "bit_depth"))
    if not (
        all(type(value) is int for value in (low, high, depth))
        and 0 <= low <= high <= indices.MAX_INDEX
        and 1 <= depth <= 16
    ):
        raise CorruptStream(f"corrupt stream: settings {settings} of a bcmnet part")
    return slices_coder.Limits(low, high, 2.0**depth - 1)
