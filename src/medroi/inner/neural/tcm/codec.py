"""Inner codecs 32 `tcm` and 33 `tcm_auxt`: slices as latents of a mixed transformer network."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument, VerificationFailed
from medroi.inner import slices
from medroi.inner.base import Array, Block, InnerCodec
from medroi.inner.neural import images, near, part, weights
from medroi.inner.neural.arithmetic import other_arithmetic
from medroi.inner.neural.tables import gaussian_tables
from medroi.inner.neural.tcm.sizes import sizes_of
from medroi.inner.neural.torch_library import device_of, load_torch

if TYPE_CHECKING:
    from torch import Tensor

    from medroi.inner.neural.tcm.networks import Networks
    from medroi.inner.neural.tcm.symbols import SliceSymbols

PRECISIONS = ("float64", "float32")
# Enough slices to make the head of a part cheap, few enough to decode one slice quickly.
_PART_SLICES = 8
# Pixels that go through the network at once: 4 slices of 256 x 256.
_BATCH_PIXELS = 1 << 18
_MAX_SLICE_PIXELS = 1 << 22
_MIN_SIDE = 256
# Floating-point intensities decode to multiples of span / this, so that the last bits of the
# network's output do not show.
_FLOAT_LEVELS = 1 << 16


@dataclass(frozen=True)
class Tcm(InnerCodec):
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
    """

    codec_id = 32
    name = "tcm"
    multiple: ClassVar[int] = 128
    auxiliary: ClassVar[bool] = False

    weights: Path | str
    precision: str = PRECISIONS[0]
    device: str = "cpu"
    verify: bool = True

    def __post_init__(self) -> None:
        """Refuse settings that no file can mean."""
        if not isinstance(self.weights, os.PathLike):
            weights.parse_name(self.name, self.weights)
        if self.precision not in PRECISIONS:
            raise InvalidArgument(
                f"{self.name}: precision={self.precision!r}, expected one of {PRECISIONS}"
            )
        if not isinstance(self.verify, bool):
            raise InvalidArgument(f"{self.name}: verify={self.verify!r}, expected True or False")

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return False

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`; weights are named by their hash."""
        return {**super().config(), "weights": self._weights_hash().hex()}

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        images.check_dtype(self.name, region)
        height, width = slices.slice_shape(region.shape)
        if height * width > _MAX_SLICE_PIXELS:
            raise InvalidArgument(
                f"{self.name}: slices of {height} x {width}, expected at most 2048 x 2048 pixels: "
                "use smaller chunks"
            )
        device_of(self.name, self.device)
        self._networks()

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        n_each = math.prod(region.shape[1:-2]) if len(region.shape) > 2 else 1
        if len(region.shape) < 3:
            return region.shape[0]
        return min(region.shape[0], max(1, _PART_SLICES // n_each))

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`."""
        return _Scaled(self, images.scale_of(self.name, region))

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        return self.plan(part).encode(part)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`; the weights are found by the hash in the part."""
        opened = part.unpack(coded)
        own = cls(opened.weights_hash.hex(), _precision_of(opened), verify=False)
        own._decode(opened, out)

    def decode_here(self, coded: memoryview, out: Array) -> None:
        """Decode one part with these weights, on this device."""
        opened = part.unpack(coded)
        if opened.weights_hash != self._weights_hash():
            raise CorruptStream(
                f"this {self.name} stream needs weights {opened.weights_hash.hex()}, "
                f"found {self._weights_hash().hex()}"
            )
        dataclasses.replace(self, precision=_precision_of(opened))._decode(opened, out)

    def _decode(self, opened: part.Part, out: Array) -> None:
        from medroi.inner.neural.tcm import symbols

        networks = self._networks()
        frame = _frame_of(self, out)
        _check_part(self, opened, networks, out)
        decoded, latents = _read_all(networks, opened, frame)
        if symbols.crc_of(decoded) != opened.symbols_crc:
            raise CorruptStream(
                f"corrupt stream: {self.name} symbols decode to CRC "
                f"{symbols.crc_of(decoded):08x}, expected {opened.symbols_crc:08x}: this machine "
                "or its PyTorch computes other probabilities than the writer's"
            )
        drawn = np.concatenate([images.crop(symbols.draw(networks, each), frame) for each in latents])
        if out.dtype.kind == "f":
            drawn = np.rint(drawn * _FLOAT_LEVELS) / _FLOAT_LEVELS
        images.put_slices(drawn, images.Scale(opened.offset, opened.span), out)

    def _layout(self) -> weights.Layout:
        return layout_of(self.name, self.auxiliary)

    def _weights_hash(self) -> bytes:
        if isinstance(self.weights, os.PathLike):
            return weights.hash_at(Path(self.weights), self._layout())
        return weights.parse_name(self.name, self.weights)

    def _networks(self) -> Networks:
        load_torch(self.name)
        from medroi.inner.neural.tcm import networks

        key = networks.Key(
            self._weights_hash(),
            self.precision,
            self.device,
            lambda: weights.resolve(self.weights, self._layout()),
        )
        return networks.networks(key)


@dataclass(frozen=True)
class TcmAuxt(Tcm):
    """TCM with the auxiliary transform; Li et al., ICLR 2025. Settings are those of `Tcm`."""

    codec_id = 33
    name = "tcm_auxt"
    multiple: ClassVar[int] = 256
    auxiliary: ClassVar[bool] = True


def layout_of(name: str, auxiliary: bool) -> weights.Layout:
    """What the weights of TCM are; N and M follow from the tensors."""

    def shapes(tensors: weights.Tensors) -> weights.Shapes:
        load_torch(name)
        from medroi.inner.neural.tcm.networks import shapes_of

        sizes = sizes_of({key: tensor.shape for key, tensor in tensors.items()})
        return shapes_of(dataclasses.replace(sizes, auxiliary=auxiliary))

    ignored = (
        r".*\.(beta|gamma)_reparam\..*"
        r"|entropy_bottleneck\.(_offset|_quantized_cdf|_cdf_length|target|likelihood_.*)"
        r"|gaussian_conditional\..*"
        r"|.*\.(dwt\.w_..|idwt\.filters)"
    )
    return weights.Layout(name, shapes, ignored)


class _Scaled(InnerCodec):
    """The parts of one region, all on one scale."""

    def __init__(self, codec: Tcm, scale: images.Scale) -> None:
        self._codec, self._scale = codec, scale

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        return _encode(self._codec, self._scale, part)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """Never asked for: streams name the codec itself."""
        raise NotImplementedError


def _encode(codec: Tcm, scale: images.Scale, block: Array) -> bytes:
    from medroi.inner.neural.tcm import symbols

    networks = codec._networks()
    frame = _frame_of(codec, block)
    values = images.to_slices(block, scale)
    found: list[SliceSymbols] = []
    records: list[near.Near] = []
    for batch in _batches(len(values), frame):
        padded = images.pad(values[batch], frame)
        start = len(found) * symbols.n_latents(networks, padded.shape[1:])
        more, record = symbols.find_symbols(networks, padded)
        found += more
        records.append(near.Near(record.positions + start, record.places))
    record = near.Near(*(np.concatenate(each) for each in zip(*map(_arrays, records), strict=True)))
    made = part.Part(
        {"multiple": codec.multiple, "precision": codec.precision, "tables": _crc(networks)},
        codec._weights_hash(),
        scale.offset,
        scale.span,
        symbols.crc_of(found),
        (record.pack(), *_coded(networks, found)),
    )
    if codec.verify:
        _prove(codec, networks, made, frame)
    return part.pack(made)


def _arrays(record: near.Near) -> tuple[Any, Any]:
    return record.positions, record.places


def _coded(networks: Networks, found: list[SliceSymbols]) -> Iterator[bytes]:
    """Hyper symbols and symbols of each slice, coded."""
    for each in found:
        channels = np.arange(each.hyper.shape[0])[:, None, None]
        yield networks.hyper_tables.encode(each.hyper, channels + np.zeros_like(each.hyper))
        yield gaussian_tables().encode(each.latents, each.rows)


def _prove(codec: Tcm, networks: Networks, made: part.Part, frame: images.Frame) -> None:
    """Decode the symbols with other arithmetic.

    Raises
    ------
    VerificationFailed
    """
    from medroi.inner.neural.tcm import symbols

    with other_arithmetic(codec.name):
        try:
            crc = symbols.crc_of(_read_all(networks, made, frame)[0])
        except CorruptStream:
            crc = None
    if crc != made.symbols_crc:
        raise VerificationFailed(
            f"{codec.name}: the symbols of a part do not decode with another number of threads: "
            "these weights amplify rounding errors too much; nothing was written"
        )


def _read_all(
    networks: Networks, opened: part.Part, frame: images.Frame
) -> tuple[list[SliceSymbols], list[Tensor]]:
    """Symbols and refined latents of all slices of a part, the latents by batch."""
    from medroi.inner.neural.tcm import symbols

    shape = (frame.padded_height, frame.padded_width)
    record, rest = near.Near.unpack(memoryview(opened.sections[0]))
    coded = [memoryview(section) for section in opened.sections[1:]]
    n_each = symbols.n_latents(networks, shape)
    n_slices = len(coded) // 2
    last = record.positions[-1] if record.positions.size else -1
    if len(rest) > 0 or last >= n_slices * n_each:
        raise CorruptStream("corrupt stream: near elements beyond the last latent")
    found: list[SliceSymbols] = []
    latents: list[Tensor] = []
    for batch in _batches(n_slices, frame):
        pairs = list(zip(coded[::2], coded[1::2], strict=True))[batch]
        within = symbols.near_within(record, len(found) * n_each, len(pairs) * n_each)
        more, refined = symbols.read_latents(networks, pairs, shape, within)
        found += more
        latents.append(refined)
    return found, latents


def _batches(n_slices: int, frame: images.Frame) -> Iterator[slice]:
    size = max(1, _BATCH_PIXELS // (frame.padded_height * frame.padded_width))
    return (slice(start, start + size) for start in range(0, n_slices, size))


def _frame_of(codec: Tcm, block: Array) -> images.Frame:
    return images.centred_frame(slices.slice_shape(block.shape), codec.multiple, _MIN_SIDE)


def _crc(networks: Networks) -> int:
    return networks.hyper_tables.crc


def _precision_of(opened: part.Part) -> str:
    precision = opened.settings.get("precision")
    if precision not in PRECISIONS:
        raise CorruptStream(f"corrupt stream: precision {precision!r}, expected {PRECISIONS}")
    return str(precision)


def _check_part(codec: Tcm, opened: part.Part, networks: Networks, out: Array) -> None:
    """Refuse a part that is not of this codec, machine or shape."""
    n_slices = out.size // math.prod(slices.slice_shape(out.shape))
    if opened.settings.get("multiple") != codec.multiple:
        raise CorruptStream(f"corrupt stream: not a part of {codec.name}")
    if len(opened.sections) != 1 + 2 * n_slices:
        raise CorruptStream(
            f"corrupt stream: {len(opened.sections)} sections, expected {1 + 2 * n_slices}"
        )
    if out.dtype.kind not in "iuf":
        raise CorruptStream(f"corrupt stream: {codec.name} codes no elements of {out.dtype}")
    if opened.settings.get("tables") != _crc(networks):
        raise CorruptStream(
            f"this machine makes other tables of probabilities than the writer of this "
            f"{codec.name} stream: its mathematics library differs"
        )
