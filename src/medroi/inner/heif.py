"""Inner codec 16: HEIF images (HEVC), one per 2-D slice, through pillow-heif."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument
from medroi.inner import slices
from medroi.inner.base import Array, Block, InnerCodec, check_number
from medroi.inner.forking import ForkSafeLock, importing

_DEPTHS = (8, 10, 12)
_MAX_SIDE = 16384
# First byte of a part's head where the values were quantised; value maps have 0, 1 and 2 there.
_QUANTISED = 3
_QUANTISED_HEAD = struct.Struct("<Bdd")
_QUANTISED_LEVELS = 255
# pillow-heif's switch between 10 and 12 bits belongs to the process.
_lock = ForkSafeLock(wait=True)


def load_pillow_heif() -> Any:
    """The pillow_heif module.

    Raises
    ------
    InnerUnavailable
    """
    try:
        with importing:
            import pillow_heif
    except ImportError as error:
        raise InnerUnavailable("heif needs pillow-heif: pip install medroi[heif]") from error
    return pillow_heif


@dataclass(frozen=True)
class Heif(InnerCodec):
    """HEIF; lossless unless a quality is asked for.

    Lossless takes regions of at most 4096 levels (12 bits). A quality works on 8 bits: the
    region's range is quantised to 256 levels, and offset and step are stored, so that decoding
    gives the original units and element type.

    Attributes
    ----------
    quality : int, optional
        0 (smallest) to 100, as the encoder understands it.
    """

    codec_id = 16
    name = "heif"
    kind = "lossless or quality"
    dtypes = "integers and scaled floats of 12 bits; all numbers with a quality"
    dims = "2-D"
    needs = "pillow_heif"
    install = "pip install medroi[heif]"

    quality: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are no quality."""
        if self.quality is not None:
            check_number(self.name, "quality", self.quality, 0, 100)
            if self.quality != int(self.quality):
                raise InvalidArgument(f"heif: quality={self.quality!r}, expected a whole number")

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return self.quality is None

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`."""
        return {key: value for key, value in super().config().items() if value is not None}

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        if region.dtype.kind not in "iuf" and (region.dtype.kind != "b" or not self.lossless):
            raise InvalidArgument(
                f"heif cannot code elements of dtype {region.dtype}"
                f"{'' if self.lossless else ' with loss'}: use zstd"
            )
        if max(slices.slice_shape(region.shape)) > _MAX_SIDE:
            raise InvalidArgument(
                f"heif: slices of {slices.slice_shape(region.shape)}, expected at most {_MAX_SIDE} "
                "on a side: use smaller chunks or jpeg2000"
            )
        load_pillow_heif()

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        if len(region.shape) < 3:
            return region.shape[0]
        slice_nbytes = math.prod(region.shape[1:]) * region.dtype.itemsize
        return min(region.shape[0], max(1, (1 << 19) // slice_nbytes))

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`."""
        return self if self.lossless else _Quantised(self._quality(), *_scale_of(region))

    def _quality(self) -> int:
        assert self.quality is not None
        return int(self.quality)

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        if not self.lossless:
            return self.plan(part).encode(part)
        try:
            values = slices.find_map(part, affine=False, max_index=(1 << _DEPTHS[-1]) - 1)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"heif keeps at most 12 bits without loss; {error}, jpeg2000 (16 bits) or a quality"
            ) from error
        indices = slices.indices_of(values, part)
        depth = next(depth for depth in _DEPTHS if values.max_index < 1 << depth)
        files = [_encode_slice(samples, depth, -1) for samples in indices]
        for file, samples in zip(files, indices, strict=True):
            if not np.array_equal(_decode_slice(file, samples.shape, depth), samples):
                raise InvalidArgument(
                    f"the installed pillow-heif does not keep {depth} bits without loss: "
                    "use jpeg2000 or predict3d"
                )
        return slices.pack_slices(slices.map_bytes(values, part) + bytes([depth]), files)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        load_pillow_heif()
        if len(coded) > 0 and coded[0] == _QUANTISED:
            _decode_quantised(coded, out)
            return
        values, rest = slices.read_map(coded, out)
        slices.put_indices(values, _decode_files(rest, out), out)


def _decode_files(rest: memoryview, out: Array) -> slices.Indices:
    """Samples of all slices, from their depth on."""
    shape = slices.slice_shape(out.shape)
    if len(rest) < 1 or rest[0] not in _DEPTHS:
        raise CorruptStream(f"corrupt stream: a heif part has no depth of {_DEPTHS} bits")
    depth = rest[0]
    files = slices.split_slices(rest[1:], out.size // math.prod(shape))
    return slices.decode_slices(files, shape, lambda file, shape: _decode_slice(file, shape, depth))


def _scale_of(region: Array) -> tuple[float, float]:
    """Offset and step with which a region's values become 0 to 255."""
    low, high = float(region.min()), float(region.max())
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)):
        raise InvalidArgument(
            "heif: a quality needs finite values; this region has NaN or infinite ones: use zstd"
        )
    if region.dtype.kind != "f" and max(abs(low), abs(high)) > 2**53:
        raise InvalidArgument("heif: integers beyond 2^53 cannot be quantised: use zstd")
    step = (high - low) / _QUANTISED_LEVELS
    if region.dtype.kind != "f":
        step = max(step, 1.0)
    return low, step


class _Quantised(InnerCodec):
    """Lossy coding of the parts of one region, all with one scale."""

    codec_id = Heif.codec_id
    name = Heif.name

    def __init__(self, quality: int, offset: float, step: float) -> None:
        self._quality, self._offset, self._step = quality, offset, step

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        shape = slices.slice_shape(part.shape)
        indices = np.zeros((part.size // math.prod(shape), *shape), np.int32)
        if self._step > 0:
            places = (part.reshape(indices.shape).astype(np.float64) - self._offset) / self._step
            indices[:] = np.clip(np.rint(places), 0, _QUANTISED_LEVELS)
        files = [_encode_slice(samples, 8, self._quality) for samples in indices]
        head = _QUANTISED_HEAD.pack(_QUANTISED, self._offset, self._step)
        return slices.pack_slices(head + bytes([8]), files)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        Heif.decode(coded, out)


def _decode_quantised(coded: memoryview, out: Array) -> None:
    if len(coded) < _QUANTISED_HEAD.size or out.dtype.kind not in "iuf":
        raise CorruptStream("corrupt stream: a heif part is cut off or of no numbers")
    _, offset, step = _QUANTISED_HEAD.unpack_from(coded)
    top = offset + step * _QUANTISED_LEVELS
    if not (math.isfinite(offset) and math.isfinite(top) and step >= 0):
        raise CorruptStream("corrupt stream: the scale of a heif part is not finite")
    indices = _decode_files(coded[_QUANTISED_HEAD.size :], out)
    restored = offset + step * indices.reshape(out.shape).astype(np.float64)
    if out.dtype.kind == "f":
        with np.errstate(over="ignore"):
            out[...] = restored
        return
    limits = np.iinfo(out.dtype)
    restored = np.rint(restored)
    # The largest double below the end of a 64-bit range is below that end by more than one.
    high = np.nextafter(float(limits.max), 0) if limits.bits == 64 else limits.max
    out[...] = np.clip(restored, float(limits.min), high).astype(out.dtype.newbyteorder("="))


@contextmanager
def _twelve_bits(pillow_heif: Any, depth: int) -> Iterator[None]:
    """Let pillow-heif keep 12 bits, not 10, while this thread encodes."""
    with _lock:
        before = pillow_heif.options.SAVE_HDR_TO_12_BIT
        pillow_heif.options.SAVE_HDR_TO_12_BIT = depth == 12
        try:
            yield
        finally:
            pillow_heif.options.SAVE_HDR_TO_12_BIT = before


def _encode_slice(samples: slices.Indices, depth: int, quality: int) -> bytes:
    pillow_heif = load_pillow_heif()
    height, width = samples.shape
    target = io.BytesIO()
    if depth == 8:
        mode, memory = "L", samples.astype(np.uint8).tobytes()
    else:
        mode, memory = "I;16", (samples << (16 - depth)).astype("<u2").tobytes()
    with _twelve_bits(pillow_heif, depth):
        pillow_heif.encode(mode, (width, height), memory, target, quality=quality, chroma=444)
    return target.getvalue()


def _decode_slice(file: bytes, shape: tuple[int, int], depth: int) -> npt.NDArray[np.integer]:
    pillow_heif = load_pillow_heif()
    image = pillow_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    if image.size != shape[::-1] or image.mode != ("L" if depth == 8 else "I;16"):
        raise CorruptStream(
            f"corrupt stream: a HEIF image of size {image.size} and mode {image.mode} "
            f"in a slice of shape {shape} and {depth} bits"
        )
    samples: npt.NDArray[np.integer] = np.asarray(image)
    return samples if depth == 8 else samples >> (16 - depth)
