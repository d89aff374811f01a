"""Inner codecs 32 `tcm` and 33 `tcm_auxt`: slices as latents of a mixed transformer network."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from medroi.errors import CorruptStream, InvalidArgument, VerificationFailed
from medroi.inner import slices
from medroi.inner.base import Array, Block, check_number
from medroi.inner.neural import images, part
from medroi.inner.neural.arithmetic import other_arithmetic
from medroi.inner.neural.learned import PRECISIONS, KeptSlices
from medroi.inner.neural.tcm.sizes import sizes_of
from medroi.inner.neural.torch_library import load_torch
from medroi.inner.neural.weights import Layout, Shapes, Tensors

_MAX_SLICE_PIXELS = 1 << 22


@dataclass(frozen=True)
class Tcm(KeptSlices):
    """TCM, 2-D slices, lossy; Liu, Sun and Katto, CVPR 2023.

    Attributes
    ----------
    weights : pathlib.Path or str
        A checkpoint that you name, or the 32 hexadecimal digits of weights that
        `MEDROI_WEIGHTS` or `medroi weights import` made known.
    precision : {"float64", "float32"}
        Of the transforms. "float64" gives the same bytes and the same array for any number of
        threads; "float32" is several times as fast, its symbols are as exact, and intensities
        agree within 1e-4 of the region's range.
    device : str
        Where the transforms run: "cpu" or "cuda". Probabilities are always found on the CPU.
    verify : bool
        Decode the symbols of every part with another number of threads and another library
        before its bytes are kept.
    part_slices : int
        Slices per independently decodable part: enough to make the head of a part (150 bytes)
        cheap, few enough to decode one slice quickly.
    """

    codec_id = 32
    name = "tcm"
    kind = "lossy, as its weights"
    dtypes = "all real numbers without NaN"
    networks_module = "medroi.inner.neural.tcm.network.loading"
    multiple: ClassVar[int] = 128
    auxiliary: ClassVar[bool] = False

    weights: Path | str = ""
    precision: str = PRECISIONS[0]
    device: str = "cpu"
    verify: bool = True
    part_slices: int = 8

    def __post_init__(self) -> None:
        """Refuse settings that no file can mean."""
        self.check_settings("verify")
        check_number(self.name, "part_slices", self.part_slices, 1, 1 << 16)

    def check_shape(self, region: Block) -> None:
        """See `LearnedSlices.check_shape`."""
        height, width = slices.slice_shape(region.shape)
        if height * width > _MAX_SLICE_PIXELS:
            raise InvalidArgument(
                f"{self.name}: slices of {height} x {width}, expected at most 2048 x 2048 pixels: "
                "use smaller chunks"
            )

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if len(region.shape) < 3:
            return region.shape[0]
        n_each = math.prod(region.shape[1:-2])
        return min(region.shape[0], max(1, int(self.part_slices) // n_each))

    def scale_of(self, region: Array) -> images.Scale:
        """See `LearnedSlices.scale_of`; a region of one value has no span."""
        scale = images.scale_of(self.name, region)
        return images.Scale(scale.offset, 0.0) if region.min() == region.max() else scale

    def encode_scaled(self, scale: images.Scale, block: Array) -> bytes:
        """See `LearnedSlices.encode_scaled`."""
        return _encode(self, scale, block)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`; the weights are found by the hash in the part."""
        opened = part.unpack(coded)
        own = cls(opened.weights_hash.hex(), _precision_of(opened), verify=False)
        own._decode(opened, out)

    def decode_here(self, coded: memoryview, out: Array) -> None:
        """Decode one part with these weights, on this device."""
        opened = part.unpack(coded)
        if opened.weights_hash != self.weights_hash():
            raise CorruptStream(
                f"this {self.name} stream needs weights {opened.weights_hash.hex()}, "
                f"found {self.weights_hash().hex()}"
            )
        dataclasses.replace(self, precision=_precision_of(opened))._decode(opened, out)

    def _decode(self, opened: part.Part, out: Array) -> None:
        if opened.settings.get("multiple") != self.multiple or out.dtype.kind not in "iuf":
            raise CorruptStream(
                f"corrupt stream: elements of {out.dtype} in a part of settings "
                f"{dict(opened.settings)}, expected real numbers and multiple {self.multiple}"
            )
        networks = self.networks()
        if opened.settings.get("tables") != networks.hyper_tables.crc:
            raise CorruptStream(
                f"this machine makes other tables of probabilities than the writer of this "
                f"{self.name} stream: its mathematics library differs"
            )
        from medroi.inner.neural.tcm.network import parts

        coded = parts.Coded(opened.sections, opened.symbols_crc)
        scale = images.Scale(opened.offset, opened.span)
        parts.read(networks, coded, self.multiple, scale, out)

    @classmethod
    def layout(cls) -> Layout:
        """See `Learned.layout`."""
        return layout_of(cls.name, cls.auxiliary)


@dataclass(frozen=True)
class TcmAuxt(Tcm):
    """TCM with the auxiliary transform; Li et al., ICLR 2025. Settings are those of `Tcm`."""

    codec_id = 33
    name = "tcm_auxt"
    multiple: ClassVar[int] = 256
    auxiliary: ClassVar[bool] = True


def layout_of(name: str, auxiliary: bool) -> Layout:
    """Layout of the weights of TCM; N and M follow from the tensors."""

    def shapes(tensors: Tensors) -> Shapes:
        load_torch(name)
        from medroi.inner.neural.tcm.network.loading import shapes_of

        sizes = sizes_of({key: tensor.shape for key, tensor in tensors.items()})
        return shapes_of(dataclasses.replace(sizes, auxiliary=auxiliary))

    ignored = (
        r".*\.(beta|gamma)_reparam\..*"
        r"|entropy_bottleneck\.(_offset|_quantized_cdf|_cdf_length|target|likelihood_.*)"
        r"|gaussian_conditional\..*"
        r"|.*\.(dwt\.w_..|idwt\.filters)"
    )
    return Layout(name, shapes, ignored)


def _encode(codec: Tcm, scale: images.Scale, block: Array) -> bytes:
    networks = codec.networks()
    from medroi.inner.neural.tcm.network import parts

    coded = parts.write(networks, block, scale, codec.multiple)
    if codec.verify:
        with other_arithmetic(codec.name):
            proved = parts.decodes(networks, coded, parts.frame_of(block.shape, codec.multiple))
        if not proved:
            raise VerificationFailed(
                f"{codec.name}: the symbols of a part do not decode with another number of "
                "threads: these weights amplify rounding errors too much; nothing was written"
            )
    settings = {
        "multiple": codec.multiple,
        "precision": codec.precision,
        "tables": networks.hyper_tables.crc,
    }
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


def _precision_of(opened: part.Part) -> str:
    precision = opened.settings.get("precision")
    if precision not in PRECISIONS:
        raise CorruptStream(f"corrupt stream: precision {precision!r}, expected {PRECISIONS}")
    return str(precision)
