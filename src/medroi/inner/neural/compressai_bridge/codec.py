"""Inner codec 37: slices through an image model of CompressAI."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument, VerificationFailed
from medroi.inner import slices
from medroi.inner.base import Array, Block
from medroi.inner.neural import images, weights
from medroi.inner.neural import part as parts
from medroi.inner.neural.arithmetic import other_arithmetic
from medroi.inner.neural.compressai_bridge.library import load_compressai
from medroi.inner.neural.images import Frame, Scale
from medroi.inner.neural.keeping import kept
from medroi.inner.neural.learned import LearnedSlices
from medroi.inner.neural.weights import Layout

# Padding that every model of the zoo divides by: four strides of the image, two of the latents.
_MULTIPLE = 64
_SLICES_PER_PART = 16
# One for writing, one for reading.
_N_KEPT = 2
# Video and point clouds are no slices; models of variable rate want settings of their own.
_NOT_IMAGES = ("ssf2020", "-pcc-", "-vbr")
_HEAD = struct.Struct("<HHB")
_MARKS = struct.Struct("<4d")
# Thread counts and libraries change decoded images by 1e-13; one wrong symbol by 1e-6 and up.
_MARK_TOLERANCE = 1e-9
_IGNORED = r".*\.(_offset|_quantized_cdf|_cdf_length|scale_table)"

Reals = npt.NDArray[np.float64]
LAYOUT = Layout(
    "compressai",
    lambda tensors: {name: tensor.shape for name, tensor in tensors.items()},
    _IGNORED,
)


@dataclass(frozen=True)
class CompressAI(LearnedSlices):
    """An image model of CompressAI. Experimental: its own arithmetic decides what can be read.

    The model runs on the CPU in double precision, each stream is decoded again with another
    number of threads before it is kept, and a decoder that finds another image than the encoder
    saw refuses the stream.

    Attributes
    ----------
    model : str
        Name in CompressAI's registry, for example "mbt2018-mean".
    weights : path or str
        A pathlib.Path to a checkpoint; 32 hexadecimal digits of weights found by MEDROI_WEIGHTS
        or imported; or "zoo" for those that CompressAI itself downloads.
    quality : int, optional
        With "zoo": 1 (smallest) to 8.
    metric : str
        With "zoo": "mse" or "ms-ssim".
    """

    codec_id = 37
    name = "compressai"
    kind = "as the model, experimental"
    dtypes = "all numbers without NaN"
    needs = "compressai"
    install = "pip install 'compressai==1.2.8' 'numpy<2'"

    model: str = "mbt2018-mean"
    weights: Any = "zoo"
    quality: int | None = None
    metric: str = "mse"

    def __post_init__(self) -> None:
        """Refuse settings that no model has."""
        if not isinstance(self.model, str) or any(part in self.model for part in _NOT_IMAGES):
            raise InvalidArgument(
                f"compressai: model={self.model!r}, expected an image model of fixed rate"
            )
        if (self.weights == "zoo") != (self.quality is not None):
            raise InvalidArgument(
                'compressai: weights="zoo" takes a quality of 1 to 8, a checkpoint takes none; '
                f"found weights={self.weights!r}, quality={self.quality!r}"
            )
        if self.weights != "zoo":
            self.check_settings()

    @classmethod
    def layout(cls) -> Layout:
        """See `Learned.layout`."""
        return LAYOUT

    def named_weights(self) -> str | None:
        """See `Learned.named_weights`; those of the zoo have a name of their own."""
        return "zoo" if self.weights == "zoo" else super().named_weights()

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`."""
        found = super().config()
        if self.weights != "zoo":
            del found["metric"]
        return found

    def check_shape(self, region: Block) -> None:
        """See `LearnedSlices.check_shape`; models take slices of any size."""

    def networks(self) -> _Model:
        """See `LearnedSlices.networks`."""
        if self.quality is not None:
            return _model(_Key(self.model, None, Zoo(self.quality, self.metric)))
        return _model(_Key(self.model, self.weights_hash(), None))

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        return min(region.shape[0], _SLICES_PER_PART) if len(region.shape) > 2 else region.shape[0]

    def encode_scaled(self, scale: Scale, block: Array) -> bytes:
        """See `LearnedSlices.encode_scaled`."""
        model = self.networks()
        frame = _frame(block.shape)
        stacked = images.pad(images.to_slices(block, scale), frame)
        sections = tuple(_encode_slice(model.network, image) for image in stacked)
        settings: dict[str, Any] = {"model": self.model, "tables": model.tables_crc}
        if self.quality is not None:
            settings |= {"zoo": [self.quality, self.metric]}
        crc = zlib.crc32(b"".join(sections))
        return parts.pack(
            parts.Part(settings, model.weights_hash, scale.offset, scale.span, crc, sections)
        )

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        found = parts.unpack(coded)
        if zlib.crc32(b"".join(found.sections)) != found.symbols_crc:
            raise CorruptStream("corrupt stream: CompressAI's strings have another CRC-32")
        model = _model_of(found)
        frame = _frame(out.shape)
        n_slices = out.size // (frame.height * frame.width)
        if len(found.sections) != n_slices or out.dtype.kind not in "iuf":
            raise CorruptStream(
                f"corrupt stream: {len(found.sections)} CompressAI slices, expected {n_slices}"
            )
        decoded = np.empty((n_slices, frame.padded_height, frame.padded_width))
        for number, section in enumerate(found.sections):
            decoded[number] = _decode_slice(model.network, memoryview(section), frame)
        images.put_slices(images.crop(decoded, frame), Scale(found.offset, found.span), out)


@dataclass(frozen=True)
class Zoo:
    """Weights that CompressAI itself downloads."""

    quality: int
    metric: str


@dataclass(frozen=True)
class _Model:
    network: Any
    weights_hash: bytes
    tables_crc: int


def _architecture(name: str) -> type:
    known = load_compressai().registry.MODELS
    images_only = sorted(model for model in known if not any(x in model for x in _NOT_IMAGES))
    if name not in images_only:
        raise InvalidArgument(f"compressai has no image model {name!r}, only {images_only}")
    architecture: type = known[name]
    return architecture


@dataclass(frozen=True)
class _Key:
    """Key that distinguishes one model from another: weights by hash, of the zoo, or of either."""

    name: str
    weights_hash: bytes | None
    zoo: Zoo | None


@kept(_N_KEPT)
def _model(key: _Key) -> _Model:
    """A model ready to code."""
    architecture = _architecture(key.name)
    from medroi.inner.neural.compressai_bridge import network_model

    found = _weights(key)
    try:
        network = network_model.build(architecture, found.tensors)
    except (KeyError, RuntimeError, ValueError, IndexError) as error:
        first = str(error).strip().partition("\n")[0]
        raise InvalidArgument(
            f"compressai: weights {found.name} are not of model {key.name!r}: {first}"
        ) from error
    return _Model(network, found.hash, network_model.tables_crc(network))


def _weights(key: _Key) -> weights.Weights:
    if key.weights_hash is not None:
        try:
            return weights.find(key.weights_hash, LAYOUT)
        except InnerUnavailable:
            if key.zoo is None:
                raise
    assert key.zoo is not None
    found = _fetch(key.name, key.zoo)
    if key.weights_hash not in (None, found.hash):
        weights.check_named(key.weights_hash or b"", found, "compressai")
    return found


def _fetch(name: str, zoo: Zoo) -> weights.Weights:
    """Have CompressAI fetch its weights, or find them where it keeps them."""
    models = load_compressai().zoo.image_models
    try:
        network = models[name](zoo.quality, metric=zoo.metric, pretrained=True)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        raise InnerUnavailable(
            f"compressai: weights of {name!r}, quality {zoo.quality}, metric {zoo.metric!r} could "
            f"not be fetched ({error}): give a checkpoint as weights=pathlib.Path(...)"
        ) from error
    state = {key: value.detach().numpy() for key, value in network.state_dict().items()}
    return weights.check(state, LAYOUT, "CompressAI's zoo")


def _model_of(found: parts.Part) -> _Model:
    """The model that a part was written with.

    Raises
    ------
    CorruptStream
        Where this machine builds other tables from the same weights.
    """
    name, zoo = found.settings.get("model"), found.settings.get("zoo")
    if not isinstance(name, str) or not (zoo is None or _is_zoo(zoo)):
        raise CorruptStream("corrupt stream: a CompressAI part names no model")
    try:
        model = _model(_Key(name, found.weights_hash, None if zoo is None else Zoo(*zoo)))
    except InvalidArgument as error:
        raise CorruptStream(f"corrupt stream: {error}") from error
    if model.tables_crc != found.settings.get("tables"):
        raise CorruptStream(
            "this machine builds other tables of probabilities from the same weights than the one "
            "that wrote the stream: decode it there, or with the same version of PyTorch"
        )
    return model


def _is_zoo(zoo: Any) -> bool:
    return (
        isinstance(zoo, list)
        and [type(entry) for entry in zoo] == [int, str]
        and zoo[0] in range(1, 9)
        and zoo[1] in ("mse", "ms-ssim")
    )


def _frame(shape: tuple[int, ...]) -> Frame:
    return images.centred_frame(slices.slice_shape(shape), _MULTIPLE, _MULTIPLE)


def _marks(image: Reals) -> tuple[float, ...]:
    """Four numbers that no two images of different symbols share."""
    flat = image.reshape(-1)
    ramp = np.arange(1, flat.size + 1) / flat.size
    return (
        float(flat.mean()),
        float(np.mean(flat * flat)),
        float(np.mean(flat * ramp)),
        float(np.mean(flat * np.sin(37.0 * ramp))),
    )


def _encode_slice(network: Any, image: Reals) -> bytes:
    from medroi.inner.neural.compressai_bridge import network_model

    shape, strings = network_model.compress(network, image)
    decoded = network_model.decompress(network, strings, shape)
    with other_arithmetic("compressai"):
        again = network_model.decompress(network, strings, shape)
    if not _same(_marks(decoded), _marks(again)):
        raise VerificationFailed(
            "compressai: this model decodes to other images with another number of threads: its "
            "streams could not be read elsewhere; use tcm or a transform codec"
        )
    head = _HEAD.pack(*shape, len(strings)) + _MARKS.pack(*_marks(decoded))
    lengths = struct.pack(f"<{len(strings)}I", *map(len, strings))
    return b"".join([head, lengths, *strings])


def _decode_slice(network: Any, section: memoryview, frame: Frame) -> Reals:
    from medroi.inner.neural.compressai_bridge import network_model

    shape, marks, strings = _split(section)
    if shape[0] * shape[1] > frame.padded_height * frame.padded_width:
        raise CorruptStream(f"corrupt stream: CompressAI latents of {shape}")
    try:
        image = network_model.decompress(network, strings, shape)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise CorruptStream(f"corrupt stream: CompressAI cannot decode a slice: {error}") from error
    if image.shape != (frame.padded_height, frame.padded_width) or not _same(_marks(image), marks):
        raise CorruptStream(
            "a slice decodes to another image than the encoder saw: weights, PyTorch or machine "
            "differ too much; decode it where it was written"
        )
    return image


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=_MARK_TOLERANCE, abs_tol=_MARK_TOLERANCE)
        for a, b in zip(one, other, strict=True)
    )


def _split(section: memoryview) -> tuple[tuple[int, int], tuple[float, ...], list[bytes]]:
    start = _HEAD.size + _MARKS.size
    if len(section) < start:
        raise CorruptStream("corrupt stream: a CompressAI slice is cut off")
    height, width, n_strings = _HEAD.unpack_from(section)
    marks = _MARKS.unpack_from(section, _HEAD.size)
    if len(section) < start + 4 * n_strings:
        raise CorruptStream("corrupt stream: a CompressAI slice is cut off")
    lengths = struct.unpack_from(f"<{n_strings}I", section, start)
    position, strings = start + 4 * n_strings, []
    if position + sum(lengths) != len(section):
        raise CorruptStream("corrupt stream: a CompressAI slice has another length than it says")
    for nbytes in lengths:
        strings.append(bytes(section[position : position + nbytes]))
        position += nbytes
    return (height, width), marks, strings
