"""Inner codec 34: HiFiC, which invents texture; behind an acknowledgement."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument, VerificationFailed
from medroi.inner import slices
from medroi.inner.base import Array, Block
from medroi.inner.neural import images, part
from medroi.inner.neural.arithmetic import other_arithmetic
from medroi.inner.neural.hific.sizes import LAYOUT
from medroi.inner.neural.learned import PRECISIONS, KeptSlices
from medroi.inner.neural.weights import Layout

if TYPE_CHECKING:
    from medroi.inner.neural.hific.network.coding import Setting

__all__ = ["LAYOUT", "NOTICE", "Hific"]

NOTICE = "generative, not diagnostic"
LIKELIHOODS = ("gaussian", "logistic")
_PART_SLICES = 8
_MAX_SLICE_PIXELS = 1 << 22
_STRIDE, _LATENT_MULTIPLE = 16, 4
# Latents need 5 pixels a side to be mirrored to 8, of which the hyperprior's mirror needs 4.
_MIN_SIDE = 5 * _STRIDE
# Floats decode to multiples of span / this, so that the last bits of the network do not show.
_FLOAT_LEVELS = 1 << 16


@dataclass(frozen=True)
class Hific(KeptSlices):
    """HiFiC, 2-D slices; Mentzer et al., NeurIPS 2020. Generative, not diagnostic.

    Its generator draws texture that looks like tissue and is not the patient's. Its own authors
    say that it must not store medical images. It is here to be measured, not to be used.

    Attributes
    ----------
    weights : pathlib.Path or str
        A checkpoint that you name, or the 32 hexadecimal digits of known weights.
    acknowledge_generative : bool
        Must be True.
    normalize : bool
        The checkpoint was trained on images from -1 to 1 (HIFIC-low and HIFIC-high).
    likelihood : {"gaussian", "logistic"}
        What the checkpoint was trained with (HIFIC-med: logistic).
    precision : {"float64", "float32"}
        Of the transforms; symbols decode the same either way.
    device : str
        Where the transforms run: "cpu" or "cuda". Probabilities are always found on the CPU.
    """

    codec_id = 34
    name = "hific"
    kind = NOTICE
    dtypes = "all numbers without NaN"
    notice = NOTICE
    networks_module = "medroi.inner.neural.hific.network.loading"

    weights: Path | str
    acknowledge_generative: bool = False
    normalize: bool = False
    likelihood: str = LIKELIHOODS[0]
    precision: str = PRECISIONS[0]
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse settings that no file can mean, and use without the acknowledgement."""
        if self.acknowledge_generative is not True:
            raise InvalidArgument(
                f"hific is {NOTICE}: it draws texture that the patient does not have. To measure "
                "it all the same, set acknowledge_generative=True; to store scans, use wavelet3d "
                "or predict3d"
            )
        if self.likelihood not in LIKELIHOODS:
            raise InvalidArgument(
                f"hific: likelihood={self.likelihood!r}, expected one of {LIKELIHOODS}"
            )
        self.check_settings("normalize")

    def check_shape(self, region: Block) -> None:
        """See `LearnedSlices.check_shape`."""
        if math.prod(slices.slice_shape(region.shape)) > _MAX_SLICE_PIXELS:
            raise InvalidArgument(
                f"hific: slices of {slices.slice_shape(region.shape)}, expected at most "
                "2048 x 2048 pixels: use smaller chunks"
            )

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if len(region.shape) < 3:
            return region.shape[0]
        return min(region.shape[0], max(1, _PART_SLICES // math.prod(region.shape[1:-2])))

    def encode_scaled(self, scale: images.Scale, block: Array) -> bytes:
        """See `LearnedSlices.encode_scaled`."""
        return _encode(self, scale, block)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`; the weights are found by the hash in the part."""
        opened = part.unpack(coded)
        if opened.settings.get("notice") != NOTICE or out.dtype.kind not in "iuf":
            raise CorruptStream("corrupt stream: a hific part of no hific settings")
        asked = {key: opened.settings.get(key) for key in ("normalize", "likelihood", "precision")}
        try:
            own = cls(opened.weights_hash.hex(), True, **asked)  # type: ignore[arg-type]
        except InvalidArgument as error:
            raise CorruptStream(f"corrupt stream: {error}") from error
        _decode(own, opened, out)

    @classmethod
    def layout(cls) -> Layout:
        """See `Learned.layout`."""
        return LAYOUT

    def _setting(self) -> Setting:
        from medroi.inner.neural.hific.network.coding import Setting

        return Setting(self.normalize, self.likelihood)


def _padding(shape: tuple[int, int]) -> tuple[int, int]:
    """Rows below and columns to the right that a slice gets."""
    below, right = (max(_MIN_SIDE, -(-side // _STRIDE) * _STRIDE) - side for side in shape)
    return below, right


def _pad(stacked: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    below, right = _padding(stacked.shape[-2:])
    return np.pad(stacked, ((0, 0), (0, below), (0, right)), mode="reflect")


def _latent_size(shape: tuple[int, int]) -> tuple[int, int]:
    below, right = _padding(shape)
    tall, wide = (shape[0] + below) // _STRIDE, (shape[1] + right) // _STRIDE
    return tall + -tall % _LATENT_MULTIPLE, wide + -wide % _LATENT_MULTIPLE


def _encode(codec: Hific, scale: images.Scale, block: Array) -> bytes:
    networks, setting = codec.networks(), codec._setting()
    from medroi.inner.neural.hific.network import coding

    size = _latent_size(slices.slice_shape(block.shape))
    sections: list[bytes] = []
    crc = 0
    for image in _pad(images.to_slices(block, scale)):
        hyper, latents, slice_crc = coding.write(networks, image, setting)
        with other_arithmetic(codec.name):
            views = (memoryview(hyper), memoryview(latents))
            again, _ = coding.read(networks, views, size, setting)
        if again.crc != slice_crc:
            raise VerificationFailed(
                "hific: symbols do not decode with another number of threads: these weights "
                "amplify rounding errors too much; nothing was written"
            )
        sections += (hyper, latents)
        crc = zlib.crc32(slice_crc.to_bytes(4, "little"), crc)
    settings = {
        "notice": NOTICE,
        "normalize": codec.normalize,
        "likelihood": codec.likelihood,
        "precision": codec.precision,
        "tables": networks.hyper_tables.crc,
    }
    return part.pack(
        part.Part(settings, codec.weights_hash(), scale.offset, scale.span, crc, tuple(sections))
    )


def _decode(codec: Hific, opened: part.Part, out: Array) -> None:
    shape = slices.slice_shape(out.shape)
    n_slices = out.size // math.prod(shape)
    if len(opened.sections) != 2 * n_slices:
        raise CorruptStream(
            f"corrupt stream: {len(opened.sections)} hific sections, expected {2 * n_slices}"
        )
    networks, setting = codec.networks(), codec._setting()
    from medroi.inner.neural.hific.network import coding

    if opened.settings.get("tables") != networks.hyper_tables.crc:
        raise CorruptStream(
            "this machine makes other tables of probabilities than the writer of this hific "
            "stream: its mathematics library differs"
        )
    each = [memoryview(section) for section in opened.sections]
    found = [
        coding.read(networks, pair, _latent_size(shape), setting)
        for pair in zip(each[::2], each[1::2], strict=True)
    ]
    crc = 0
    for symbols, _ in found:
        crc = zlib.crc32(symbols.crc.to_bytes(4, "little"), crc)
    if crc != opened.symbols_crc:
        raise CorruptStream(
            "corrupt stream: hific symbols of another CRC: this machine or its PyTorch computes "
            "other probabilities than the writer's"
        )
    drawn = np.stack(
        [coding.draw(networks, latents, setting)[: shape[0], : shape[1]] for _, latents in found]
    )
    if out.dtype.kind == "f":
        drawn = np.rint(drawn * _FLOAT_LEVELS) / _FLOAT_LEVELS
    images.put_slices(drawn, images.Scale(opened.offset, opened.span), out)
