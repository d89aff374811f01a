"""Inner codec 17: any codec of the local numcodecs registry, by its configuration."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument
from medroi.inner import slices
from medroi.inner.base import Array, Block, InnerCodec, dense_bytes, short_part_extent
from medroi.inner.forking import importing
from medroi.inner.numcodecs import feed as feeding
from medroi.inner.numcodecs.bounded import Decoder
from medroi.inner.numcodecs.feed import AS_F8, BYTES, ELEMENTS, INDICES
from medroi.inner.numcodecs.table import FLAT, FORBIDDEN, KNOWN, SLICES, WHOLE, Accepts, package_of

# feed, form, axes of what is fed, bytes of the configuration
_HEAD = struct.Struct("<BBBH")
_MAX_CONFIG_NBYTES = 65535
_FLAT_TARGET_NBYTES = 1 << 22
# Of the exception that a panic of Rust becomes; its class is not to be imported.
_PANIC = "PanicException"
_UNKNOWN = Accepts(WHOLE, max_ndim=8, verify=True)


def _jsonable(value: Any) -> Any:
    """Settings as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, np.dtype) else value


def _canonical(config: Mapping[str, Any]) -> str:
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def open_codec(config: Mapping[str, Any]) -> Any:
    """A codec of the local registry; nothing is imported by a name that a file gives.

    Raises
    ------
    InvalidArgument
        For a configuration that its codec refuses, and for codecs that no stream may name.
    InnerUnavailable
        For an id that the registry does not know.
    """
    from numcodecs import registry

    codec_id = str(config.get("id"))
    if codec_id in FORBIDDEN:
        raise InvalidArgument(f"numcodecs codec {codec_id!r} is not allowed as an inner codec")
    if codec_id.startswith("imagecodecs_") and codec_id not in registry.codec_registry:
        _register_imagecodecs()
    if codec_id not in registry.codec_registry and codec_id not in registry.entries:
        package = package_of(codec_id)
        how = f"pip install {package}" if package else "install and import the package it is from"
        raise InnerUnavailable(f"numcodecs codec {codec_id!r} is not registered here: {how}")
    try:
        return registry.get_codec(dict(config))
    except Exception as error:  # every codec raises errors of its own
        raise InvalidArgument(
            f"numcodecs codec {codec_id!r} refuses its settings: {error}"
        ) from error


def _register_imagecodecs() -> None:
    try:
        with importing:
            from imagecodecs.numcodecs import register_codecs

            register_codecs(verbose=False)
    except ImportError as error:
        raise InnerUnavailable(
            "imagecodecs' codecs are not installed: pip install imagecodecs"
        ) from error


@dataclass(frozen=True, eq=False)
class Numcodecs(InnerCodec):
    """A numcodecs codec as inner codec.

    What a table says about the codec decides how a region is fed to it; a codec that the table
    does not have must give back every bit, and each part of it is checked by decoding.

    Attributes
    ----------
    codec : mapping, str or codec
        Configuration, id, or the codec itself.
    """

    codec_id = 17
    name = "numcodecs"
    kind = "as the codec"
    dtypes = "as the codec"
    dims = "as the codec"
    needs = "numcodecs"
    install = "pip install numcodecs"

    codec: Any

    def __post_init__(self) -> None:
        """Make the configuration plain, and try it."""
        given = self.codec
        if isinstance(given, str):
            given = {"id": given}
        elif not isinstance(given, Mapping):
            if not hasattr(given, "get_config"):
                raise InvalidArgument(
                    f"numcodecs: codec={given!r}, expected a codec, its configuration or its id"
                )
            given = given.get_config()
        plain = _jsonable(given)
        try:
            nbytes = len(_canonical(plain))
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"numcodecs: {plain!r} does not fit into JSON") from error
        if not isinstance(plain.get("id"), str) or nbytes > _MAX_CONFIG_NBYTES:
            raise InvalidArgument(f"numcodecs: {plain!r} has no id, or is too long")
        object.__setattr__(self, "codec", plain)
        open_codec(self._config_for("f4", (16, 16, 16), 8))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numcodecs) and other.codec == self.codec

    def __hash__(self) -> int:
        return hash(_canonical(self.codec))

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`."""
        return {"id": self.name, "codec": json.loads(_canonical(self.codec))}

    @property
    def accepts(self) -> Accepts:
        """Row of the table about the codec."""
        return KNOWN.get(self.codec["id"], _UNKNOWN)

    @property
    def library(self) -> str:
        """See `InnerCodec.library`."""
        return str(self.codec["id"])

    @classmethod
    def library_of(cls, part: memoryview) -> str:
        """See `InnerCodec.library_of`."""
        library = _read_head(part)[1].get("id")
        if not isinstance(library, str):
            raise CorruptStream("corrupt stream: the configuration of a numcodecs part has no id")
        return library

    @classmethod
    def survives(cls, library: str) -> bool:
        """See `InnerCodec.survives`."""
        return KNOWN.get(library, _UNKNOWN).survives

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return self.accepts.lossless(self.codec)

    def promised_error(self) -> float | None:
        """See `InnerCodec.promised_error`."""
        return None if self.accepts.mapped else self.accepts.max_error(self.codec)

    def _config_for(self, dtype: Any, shape: tuple[int, ...], depth: int) -> dict[str, Any]:
        """The configuration with what only the fed array can say."""
        config, accepts = dict(self.codec), self.accepts
        if "shape" in accepts.passed:
            config["shape"] = list(shape)
        if "dtype" in accepts.passed:
            config["dtype"] = np.dtype(dtype).str
        if accepts.depth_setting and self.lossless:
            config[accepts.depth_setting] = depth
        elif accepts.depth_setting:
            config.setdefault(accepts.depth_setting, depth)
        return config

    def _form(self, dtype: np.dtype[Any]) -> int:
        """Feed for elements of this type.

        Raises
        ------
        InvalidArgument
            Where they cannot be.
        """
        accepts, code = self.accepts, f"{dtype.kind}{dtype.itemsize}"
        if accepts is _UNKNOWN:
            return ELEMENTS if dtype.kind in "iuf" else BYTES
        if accepts.mapped and dtype.kind in ("iuf" if not self.lossless else "biuf"):
            return INDICES
        if not accepts.mapped and not accepts.dtypes:
            return BYTES
        if code in accepts.dtypes:
            return ELEMENTS
        for form, codes in feeding.WIDENED.items():
            if accepts.widened and code in codes:
                return form
        takes = ", ".join(accepts.dtypes) or f"integers of {max(accepts.depths)} bits"
        takes += " and integers of up to 32 bits" if accepts.widened else ""
        raise InvalidArgument(
            f"{self.codec['id']} cannot code elements of dtype {dtype}, it takes {takes}: "
            "use zstd or blosc"
        )

    def check(self, region: Block) -> None:
        """See `InnerCodec.check`."""
        self._form(region.dtype)
        self._feed(region.shape)
        open_codec(self._config_for("f4", (16, 16, 16), 8))

    def _feed(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Feed and number of axes for a part; slices where it is too thin to be fed whole.

        Raises
        ------
        InvalidArgument
            Where it is too thin for either.
        """
        accepts = self.accepts
        if accepts.feed == FLAT:
            return FLAT, 1
        whole = feeding.merge_axes(shape, accepts.max_ndim)
        if accepts.feed == WHOLE and min(whole) >= accepts.min_side:
            return WHOLE, len(whole)
        if min(slices.slice_shape(shape)) >= accepts.min_side:
            return SLICES, 2
        raise InvalidArgument(
            f"{self.codec['id']} needs at least {accepts.min_side} elements along every axis of a "
            f"slice; the region has shape {shape}: use larger chunks, zstd or jpeg2000"
        )

    def part_extent(self, region: Block) -> int:
        """See `InnerCodec.part_extent`."""
        accepts = self.accepts
        if accepts.feed == WHOLE or (accepts.feed == SLICES and len(region.shape) < 3):
            return region.shape[0]
        if accepts.feed == SLICES:
            return short_part_extent(region)
        slice_nbytes = math.prod(region.shape[1:]) * region.dtype.itemsize
        return min(region.shape[0], max(1, _FLAT_TARGET_NBYTES // slice_nbytes))

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`."""
        self._check_values(region)
        if self._form(region.dtype) == INDICES and not self.lossless:
            return _Planned(self, self._find_map(region))
        return self

    def _check_values(self, region: Array) -> None:
        """Refuse values that the codec, or the whole process, would not survive."""
        accepts, name = self.accepts, self.codec["id"]
        if accepts.finite and region.dtype.kind == "f" and not np.isfinite(region).all():
            raise InvalidArgument(
                f"{name} cannot code NaN or infinities, and the region has some: use zstd or blosc"
            )
        limit = accepts.max_magnitude(self.codec)
        if limit < math.inf and max(abs(float(region.min())), abs(float(region.max()))) > limit:
            raise InvalidArgument(
                f"{name} with {self.codec} takes magnitudes up to {limit:g}, and the region has "
                "larger ones: use zstd or blosc"
            )

    def _find_map(self, part: Array) -> Any:
        try:
            return slices.find_map(
                part, affine=not self.lossless, max_index=(1 << max(self.accepts.depths)) - 1
            )
        except InvalidArgument as error:
            raise InvalidArgument(f"{self.codec['id']}: {error}") from error

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        if self.accepts is _UNKNOWN:
            return self._encode_unknown(part)
        feed, ndim = self._feed(part.shape)
        form = self._form(part.dtype)
        values = self._find_map(part) if form == INDICES else None
        return self.encode_with(part, (feed, form, ndim), values)

    def encode_with(self, part: Array, way: tuple[int, int, int], values: Any) -> bytes:
        """Code a part that is fed one way: feed, form, number of axes."""
        coded = self._encode_fed(part, way, values)
        if self.accepts.verify and self.lossless:
            self._verify(part, coded)
        return coded

    def _encode_fed(self, part: Array, way: tuple[int, int, int], values: Any) -> bytes:
        feed, form, ndim = way
        depth = self._depth(values)
        elements = feeding.elements_of(form, part, values, depth)
        shape = feeding.fed_shape(feed, form, part, ndim)
        codec = open_codec(self._config_for(elements.dtype, shape, depth))
        try:
            files = [bytes(codec.encode(fed)) for fed in elements.reshape(-1, *shape)]
        except Exception as error:  # every codec raises errors of its own
            raise InvalidArgument(
                f"{self.codec['id']} cannot code an array of shape {shape} and dtype "
                f"{elements.dtype}: {error}"
            ) from error
        config = _canonical(self.codec).encode()
        head = _HEAD.pack(feed, form, ndim, len(config)) + config
        if form == INDICES:
            head += slices.map_bytes(values, part)
        return slices.pack_slices(head, files) if feed == SLICES else head + files[0]

    def _depth(self, values: Any) -> int:
        bits = int(values.max_index).bit_length() if values is not None else 8
        return next(depth for depth in self.accepts.depths if bits <= depth)

    def _verify(self, part: Array, coded: bytes) -> None:
        out = np.empty(part.shape, part.dtype)
        try:
            self.decode(memoryview(coded), out)
            exact = np.array_equal(dense_bytes(np.ascontiguousarray(part)), dense_bytes(out))
        except CorruptStream:
            exact = False
        if not exact:
            raise InvalidArgument(
                f"{self.codec['id']} does not give back every bit of a part of shape {part.shape} "
                f"and dtype {part.dtype} (it was decoded to see): use another inner codec"
            )

    def _encode_unknown(self, part: Array) -> bytes:
        """Feed a codec that nobody tried, in the ways there are, until one comes back whole."""
        numbers = part.dtype.kind in "iuf"
        ways = [(WHOLE, ELEMENTS, part.ndim), (SLICES, ELEMENTS, 2)] if numbers else []
        ways += [(FLAT, ELEMENTS, 1)] if numbers else []
        last: InvalidArgument | None = None
        for way in [*ways, (FLAT, BYTES, 1)]:
            try:
                return self.encode_with(part, way, None)
            except InvalidArgument as error:
                last = error
        assert last is not None
        raise last

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        (feed, form, ndim), config, rest = _read_head(coded)
        config.pop("numthreads", None)  # how many is not for a stream to say
        if feed > SLICES or form > AS_F8 or not 1 <= ndim <= 8:
            raise CorruptStream("corrupt stream: a numcodecs part is fed in no known way")
        if form != BYTES and out.dtype.kind not in "biuf":
            raise CorruptStream("corrupt stream: a numcodecs part of numbers in an array of none")
        values, depth = None, 0
        if form == INDICES:
            values, rest = slices.read_map(rest, out)
            depth = 8 if values.max_index < 256 else 16
        try:
            inner = cls(config)
            dtype = feeding.fed_dtype(form, out.dtype, depth)
            shape = feeding.fed_shape(feed, form, out, ndim)
            codec = open_codec(inner._config_for(dtype, shape, inner._depth(values)))
        except (ArithmeticError, InvalidArgument, StopIteration, TypeError, ValueError) as error:
            raise CorruptStream(f"corrupt stream: {error}") from error
        count = math.prod(shape)
        files = [rest]
        if feed == SLICES:
            files = slices.split_slices(rest, out.size // count)
        accepts, nbytes = inner.accepts, count * dtype.itemsize
        if not all(accepts.is_frame(file, nbytes, shape) for file in files):
            raise CorruptStream("corrupt stream: a part announces another length than it has")
        fed = [_decode_file(accepts.decoder, codec, file, shape, dtype) for file in files]
        feeding.put_back(form, fed[0] if len(fed) == 1 else np.concatenate(fed), values, out)


def _read_head(coded: memoryview) -> tuple[tuple[int, int, int], dict[str, Any], memoryview]:
    if len(coded) < _HEAD.size:
        raise CorruptStream("corrupt stream: a numcodecs part is cut off")
    feed, form, ndim, nbytes = _HEAD.unpack_from(coded)
    text = bytes(coded[_HEAD.size : _HEAD.size + nbytes])
    try:
        config = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise CorruptStream("corrupt stream: a numcodecs part has no configuration") from error
    if not isinstance(config, dict):
        raise CorruptStream("corrupt stream: a numcodecs part has no configuration")
    return (feed, form, ndim), config, coded[_HEAD.size + nbytes :]


def _decode_file(
    decoder: Decoder, codec: Any, file: memoryview, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    try:
        decoded = decoder(codec, bytes(file), shape, dtype)
        return feeding.decoded_elements(decoded, dtype, math.prod(shape))
    except (CorruptStream, MemoryError):
        raise
    # Every codec raises errors of its own, and a panic of Rust is no Exception.
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise  # a request to stop
        raise CorruptStream(f"corrupt stream: a part does not decode: {error}") from error


class _Planned(InnerCodec):
    """Lossy coding of the parts of one region, all through one value map."""

    codec_id = Numcodecs.codec_id
    name = Numcodecs.name

    def __init__(self, inner: Numcodecs, values: Any) -> None:
        self._inner, self._values = inner, values

    def encode(self, part: Array) -> bytes:
        """See `InnerCodec.encode`."""
        return self._inner.encode_with(part, (SLICES, INDICES, 2), self._values)

    @classmethod
    def decode(cls, coded: memoryview, out: Array) -> None:
        """See `InnerCodec.decode`."""
        Numcodecs.decode(coded, out)
