"""`MedROICodec`, the serializer of Zarr format 3."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medroi import arrays, codec, settings
from medroi.errors import CorruptStream, InnerUnavailable, InvalidArgument
from medroi.inner.base import InnerCodec
from medroi.selection import narrow

try:
    from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
    from zarr.abc.store import RangeByteRequest
    from zarr.registry import register_codec
except ImportError as error:
    raise InnerUnavailable(
        "medroi.zarr needs zarr 3 (pip install 'zarr>=3'); "
        "for zarr 2 use medroi.MedROI as compressor"
    ) from error

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, BufferPrototype, NDBuffer


@dataclass(frozen=True, init=False, repr=False, eq=False)
class MedROICodec(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):
    """Keep the tissue, discard the rest, and hand the tissue to an inner codec.

    For the `serializer=` slot of Zarr format 3, alone or inside shards. `MedROICodec()` sets
    voxels outside the region to `background`; `MedROICodec.lossless()` keeps all. Each chunk is
    one stream; without filters before it and compressors behind it, a selection reads only the
    header and the parts of the payload that it touches.

    Zarr pads chunks at the edges of an array with the array's fill value, so `background` must be
    that value, and a number, unless nothing is discarded or the fill value is NaN. A chunk that
    decodes to nothing but the fill value is not stored, as Zarr does it, unless
    `write_empty_chunks` is set. The memory order of a chunk is that of the array's configuration
    (`config={"order": "F"}`), whatever the order of the data written.

    Parameters
    ----------
    inner : str, mapping or InnerCodec
        What codes the region: "zstd", {"id": "zstd", "level": 9}, ...
    threshold, polarity, roi, background, padding, max_miss_rate, axes, components, slice_axis,
    affine
        As of `medroi.MedROI`.
    threads, verify
        As of `medroi.MedROI`. Zarr codes chunks in threads of its own already.

    Raises
    ------
    InvalidArgument
        For settings that no array could be coded with.
    """

    is_fixed_size = False

    _settings: codec.Settings

    def __init__(
        self,
        inner: str | Mapping[str, Any] | InnerCodec = "zstd",
        *,
        threshold: str | float | None = "auto",
        polarity: str = "bright",
        roi: str = "box",
        background: float | str | None = None,
        padding: int = 3,
        max_miss_rate: float = 0.002,
        axes: Sequence[int] | None = None,
        components: str = "all",
        slice_axis: int | None = None,
        affine: Any = None,
        threads: int = 1,
        verify: bool = False,
    ) -> None:
        made = settings.make(
            inner,
            slice_axis=slice_axis,
            affine=affine,
            threshold=threshold,
            polarity=polarity,
            roi=roi,
            background=background,
            padding=padding,
            max_miss_rate=max_miss_rate,
            axes=axes,
            components=components,
            threads=threads,
            verify=verify,
        )
        object.__setattr__(self, "_settings", made)

    @classmethod
    def lossless(
        cls, inner: str | Mapping[str, Any] | InnerCodec = "zstd", **options: Any
    ) -> MedROICodec:
        """A codec whose round trip is bit-exact, always.

        Raises
        ------
        InvalidArgument
            For an inner codec that is not lossless, or a threshold.
        """
        made = cls(inner, **settings.without_threshold("MedROICodec", options))
        settings.check_lossless("MedROICodec", made._settings)
        return made

    @classmethod
    def fit(cls, array: Any, *, chunks: Sequence[int] | None = None, **options: Any) -> MedROICodec:
        """A codec whose threshold and background are numbers, found in the whole array.

        Parameters
        ----------
        array : array_like
            The whole array.
        chunks : sequence of int, optional
            Chunk shape in which it will be stored; None is the whole array.
        **options
            Parameters of `MedROICodec`.

        Raises
        ------
        InvalidArgument
            As `MedROICodec`, and for a chunk shape that does not suit the array.
        """
        return _codec_with(settings.fit(array, chunks, cls(**options)._settings))

    @property
    def note(self) -> str:
        """Why `fit` kept every voxel; empty where it found air to drop."""
        return self._settings.note

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MedROICodec:
        """The codec that the metadata of an array describes.

        Raises
        ------
        InvalidArgument
            For parameters that no `MedROICodec` has, and for other codecs.
        """
        if data.get("name") != "medroi":
            raise InvalidArgument(f"found the codec {data.get('name')!r}, expected 'medroi'")
        return cls(**settings.arguments("MedROICodec", data.get("configuration") or {}))

    def to_dict(self) -> dict[str, Any]:
        """Name and configuration, fit for the metadata of an array."""
        return {"name": "medroi", "configuration": settings.config_of(self._settings)}

    def __repr__(self) -> str:
        return settings.text_of("MedROICodec", self._settings)

    def __hash__(self) -> int:
        return hash(settings.token_of(self._settings))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MedROICodec):
            return NotImplemented
        return settings.token_of(other._settings) == settings.token_of(self._settings)

    def __dask_tokenize__(self) -> tuple[str, str]:
        return ("MedROICodec", settings.token_of(self._settings))

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> MedROICodec:
        """Refuse an array that this codec could not store, before it is created.

        Raises
        ------
        InvalidArgument
            Naming what was found and what to pass.
        """
        dtype = _dtype_of(array_spec)
        made = settings.with_fill_value(self._settings, array_spec.fill_value, dtype)
        codec.check_array(len(array_spec.shape), dtype, made)
        if not codec.keeps_every_voxel(len(array_spec.shape), dtype, made):
            _check_fill_value(made, array_spec.fill_value, dtype)
        return self if made is self._settings else _codec_with(made)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before a chunk is encoded."""
        raise NotImplementedError

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        dtype = _dtype_of(chunk_spec)
        array = chunk_array.as_numpy_array().astype(dtype, copy=False)
        coded = codec.encode(array, self._settings)
        if not chunk_spec.config.write_empty_chunks and self._is_fill(coded, chunk_spec):
            return None
        return chunk_spec.prototype.buffer.from_bytes(coded)

    def _is_fill(self, coded: bytes, chunk_spec: ArraySpec) -> bool:
        background, dtype = self._settings.region.background, _dtype_of(chunk_spec)
        if background in ("auto", None) or dtype.kind not in arrays.NUMBER_KINDS:
            return False
        if codec.inspect(coded).n_parts > 0:
            return False
        return _bits_of_fill(chunk_spec.fill_value, dtype) == arrays.bits_of(background, dtype)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_array, chunk_spec)

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        dtype = _dtype_of(chunk_spec)
        array = codec.decode(
            chunk_bytes.as_numpy_array(),
            shape=chunk_spec.shape,
            dtype=dtype,
            threads=self._settings.threads,
        )
        return _as_buffer(array, chunk_spec)

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        shape, prototype = tuple(chunk_spec.shape), chunk_spec.prototype
        bounds, inside = narrow(selection, shape)
        if bounds == tuple((0, size) for size in shape):
            chunk_bytes = await byte_getter.get(prototype)
            if chunk_bytes is None:
                return None
            return (await self._decode_single(chunk_bytes, chunk_spec))[inside]
        reading = codec.decode_selection(bounds, shape=shape, dtype=_dtype_of(chunk_spec))
        wanted, block = _advance(reading, None)
        while wanted is not None:
            found = await _fetch(byte_getter, prototype, *wanted)
            if found is None and wanted[0] == 0:
                return None
            if found is None:
                raise CorruptStream("the chunk was deleted while it was read")
            data = found.as_numpy_array().view(np.uint8)  # of int8 before zarr 3.0.8
            wanted, block = await asyncio.to_thread(_advance, reading, data)
        assert block is not None
        return _as_buffer(block[inside], chunk_spec)


def _codec_with(made: codec.Settings) -> MedROICodec:
    found = MedROICodec()
    object.__setattr__(found, "_settings", made)
    return found


def _dtype_of(spec: ArraySpec) -> np.dtype[Any]:
    """The numpy dtype of a chunk; zarr before 3.1 has no data types of its own."""
    dtype: Any = spec.dtype
    native: np.dtype[Any] = dtype if isinstance(dtype, np.dtype) else dtype.to_native_dtype()
    return native


def _as_buffer(array: arrays.Array, spec: ArraySpec) -> NDBuffer:
    return spec.prototype.nd_buffer.from_numpy_array(array.astype(_dtype_of(spec), copy=False))


def _bits_of_fill(fill_value: Any, dtype: np.dtype[Any]) -> int:
    return arrays.bits_of(0 if fill_value is None else fill_value, dtype)


def _check_fill_value(made: codec.Settings, fill_value: Any, dtype: np.dtype[Any]) -> None:
    """Refuse a fill value that would look like tissue where zarr pads chunks with it."""
    background = made.region.background
    if isinstance(background, str):
        raise InvalidArgument(
            f"background={background!r} beside fill_value={fill_value}: zarr pads chunks with the "
            "fill value, so both must be one number. Use MedROICodec.fit(array, "
            "background='auto') and pass its background as fill_value, or MedROICodec.lossless()"
        )
    fill_bits = _bits_of_fill(fill_value, dtype)
    if dtype.kind == "f" and made.inner.lossless and np.isnan(arrays.value_of(fill_bits, dtype)):
        return  # NaN is never tissue, and xarray fills arrays of floats with it
    if fill_bits != arrays.bits_of(background, dtype):
        raise InvalidArgument(
            f"background={background} beside fill_value={fill_value}: zarr pads chunks with the "
            f"fill value, which would pass for tissue. Create the array with "
            f"fill_value={background}, or the codec with background={fill_value} if that is the air"
        )


def _advance(
    reading: Generator[tuple[int, int], Any, arrays.Array], data: Any
) -> tuple[tuple[int, int] | None, arrays.Array | None]:
    """The next range that a partial decode wants, or what it decoded."""
    try:
        return reading.send(data), None
    except StopIteration as done:
        return None, done.value


async def _fetch(
    byte_getter: ByteGetter, prototype: BufferPrototype, start: int, stop: int
) -> Buffer | None:
    try:
        found = await byte_getter.get(prototype, RangeByteRequest(start, stop))
    except AssertionError:
        # Before zarr 3.1, a chunk inside a shard can be had only whole (it is in memory).
        found = await byte_getter.get(prototype)
        return None if found is None else found[start:stop]
    return found


register_codec("medroi", MedROICodec)
