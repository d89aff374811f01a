"""Inner codec 38 `neural2d`: settings of a small network, and its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument, VerificationFailed
from medroi.inner import slices
from medroi.inner.base import Array, Block, check_number
from medroi.inner.neural import images, part
from medroi.inner.neural.arithmetic import other_arithmetic
from medroi.inner.neural.learned import PRECISIONS, KeptSlices
from medroi.inner.neural.neural2d.sizes import LAYOUT
from medroi.inner.neural.weights import Layout

__all__ = ["LAYOUT", "Neural2D"]

MIN_STEP, MAX_STEP = 1e-3, 1e3
# Sides are multiples of what a hyper latent stands for.
_MULTIPLE = 32
# Of a slice and of a part, as the network sees them.
_MAX_SLICE_PIXELS, _MAX_PART_PIXELS = 1 << 22, 1 << 26
# Floats decode to multiples of span / this, so that the last bits of the network do not show.
_FLOAT_LEVELS = 1 << 16


@dataclass(frozen=True)
class Neural2D(KeptSlices):
    """A small network for grey slices: 2-D transforms, probabilities from the slice before. Lossy.

    Attributes
    ----------
    weights : pathlib.Path or str
        A checkpoint that `benchmarks/train.py` wrote, or the 32 hexadecimal digits of weights that
        `MEDROI_WEIGHTS` or `medroi weights import` made known.
    step : float
        Between two symbols of a latent: less is better and larger. One set of weights serves a
        range of them, which its training states (0.25 to 4 by default).
    precision : {"float64", "float32"}
        Of the transforms; symbols decode the same either way. "float64" gives the same bytes for
        any number of threads.
    device : str
        Where the transforms run: "cpu" or "cuda". Probabilities are always found on the CPU.
    verify : bool
        Decode the symbols of every part with another number of threads and another library before
        its bytes are kept.
    part_slices : int
        Slices per independently decodable part; the first of them knows no slice before it.
    """

    codec_id = 38
    name = "neural2d"
    kind = "lossy, as its weights and step"
    dtypes = "all real numbers without NaN"
    networks_module = "medroi.inner.neural.neural2d.network_loading"

    weights: Path | str = ""
    step: float = 1.0
    precision: str = PRECISIONS[0]
    device: str = "cpu"
    verify: bool = True
    part_slices: int = 16

    def __post_init__(self) -> None:
        """Refuse settings that no file can mean."""
        self.check_settings("verify")
        check_number(self.name, "step", self.step, MIN_STEP, MAX_STEP)
        check_number(self.name, "part_slices", self.part_slices, 1, 1 << 12)

    def check_shape(self, region: Block) -> None:
        """See `LearnedSlices.check_shape`."""
        part_shape = (self.part_extent(region), *region.shape[1:])
        if not _fits(part_shape):
            raise InvalidArgument(
                f"neural2d: a part of shape {part_shape}, expected slices of at most 2048 x 2048 "
                "pixels with sides padded to multiples of 32, and 16 such in a part: use smaller "
                "chunks"
            )

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if len(region.shape) < 3:
            return region.shape[0]
        n_each, tall, wide = padded_shape((1, *region.shape[1:]))
        most = min(int(self.part_slices), _MAX_PART_PIXELS // (tall * wide))
        return min(region.shape[0], max(1, most // n_each))

    def encode_scaled(self, scale: images.Scale, block: Array) -> bytes:
        """See `LearnedSlices.encode_scaled`."""
        return _encode(self, scale, block)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`; the weights are found by the hash in the part."""
        opened = part.unpack(coded)
        step, precision = opened.settings.get("step"), opened.settings.get("precision")
        try:
            own = cls(opened.weights_hash.hex(), step, precision)  # type: ignore[arg-type]
        except InvalidArgument as error:
            raise CorruptStream(f"corrupt stream: {error}") from error
        if out.dtype.kind not in "iuf":
            raise CorruptStream(f"corrupt stream: elements of {out.dtype} in a neural2d part")
        if not _fits(out.shape):
            raise CorruptStream(f"corrupt stream: a neural2d part of shape {out.shape}")
        _decode(own, opened, out)

    @classmethod
    def layout(cls) -> Layout:
        """See `Learned.layout`."""
        return LAYOUT


def padded_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Slices, height and width of a part as the network sees it."""
    height, width = slices.slice_shape(shape)
    tall, wide = (-(-side // _MULTIPLE) * _MULTIPLE for side in (height, width))
    return math.prod(shape) // (height * width), tall, wide


def _fits(shape: tuple[int, ...]) -> bool:
    """Whether a part is of a size that is written."""
    n_slices, tall, wide = padded_shape(shape)
    return tall * wide <= _MAX_SLICE_PIXELS and n_slices * tall * wide <= _MAX_PART_PIXELS


def _pad(stacked: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slices with their last row and column repeated."""
    below, right = (-side % _MULTIPLE for side in stacked.shape[1:])
    return np.pad(stacked, ((0, 0), (0, below), (0, right)), mode="edge")


def _encode(codec: Neural2D, scale: images.Scale, block: Array) -> bytes:
    networks, step = codec.networks(), float(codec.step)
    from medroi.inner.neural.neural2d import network_coding as coding

    coded = coding.write(networks, _pad(images.to_slices(block, scale)), step)
    if codec.verify:
        try:
            with other_arithmetic(codec.name):
                coding.read(networks, coded, padded_shape(block.shape), step)
        except CorruptStream as error:
            raise VerificationFailed(
                "neural2d: the symbols of a part do not decode with another number of threads: "
                "these weights amplify rounding errors too much; nothing was written"
            ) from error
    settings = {"step": step, "precision": codec.precision}
    return part.pack(
        part.Part(
            settings,
            codec.weights_hash(),
            scale.offset,
            scale.span,
            coded.symbols_crc,
            coded.sections,
        )
    )


def _decode(codec: Neural2D, opened: part.Part, out: Array) -> None:
    networks = codec.networks()
    from medroi.inner.neural.neural2d import network_coding as coding

    coded = coding.Coded(opened.sections, opened.symbols_crc)
    latents = coding.read(networks, coded, padded_shape(out.shape), float(codec.step))
    height, width = slices.slice_shape(out.shape)
    drawn = coding.draw(networks, latents)[:, :height, :width]
    if out.dtype.kind == "f":
        drawn = np.rint(drawn * _FLOAT_LEVELS) / _FLOAT_LEVELS
    images.put_slices(drawn, images.Scale(opened.offset, opened.span), out)
