"""`MedROICodec`, the serializer of Zarr format 3."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
from zarr.registry import register_codec

from medroi import arrays, codec, settings
from medroi.binding import Binding
from medroi.errors import InvalidArgument
from medroi.zarr import ranges, rules
from medroi.zarr.chunk import as_specified, dtype_of, in_byte_order

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


@dataclass(frozen=True, init=False, repr=False, eq=False)
class MedROICodec(Binding, ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):
    """Keep the tissue, discard the rest, and hand the tissue to an inner codec.

    For the `serializer=` slot of Zarr format 3, alone or inside shards. `MedROICodec()` sets
    voxels outside the region to `background`; `MedROICodec.lossless()` keeps all. Each chunk is
    one stream; without filters before it and compressors behind it, a selection reads only the
    header and the slabs of the payload that it touches.

    Zarr pads chunks at the edges of an array with the array's fill value, which is the background
    where none is given, NaN too. Another `background` is refused unless nothing is discarded or
    the fill value is NaN. A chunk that decodes to nothing but the fill value is not stored, as
    Zarr does it, unless `write_empty_chunks` is set. A chunk keeps the memory order in which zarr
    hands it over: mostly that of the data written, else of the array's configuration.

    Array-to-array codecs may stand in front (`filters=`). What they hand over is taken bit by bit.
    Of what numcodecs' Delta, FixedScaleOffset and PackBits give, flat arrays, every voxel is kept
    whatever the threshold, and a lossy inner codec is refused at the first write.
    """

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The codec that the metadata of an array describes.

        Parameters of a newer version are kept. Such a codec decodes, and encodes nothing.

        Raises
        ------
        InvalidArgument
            For parameters that no array could be coded with, and for other codecs.
        """
        if data.get("name") != "medroi":
            raise InvalidArgument(f"found the codec {data.get('name')!r}, expected 'medroi'")
        return cls._of_config(data.get("configuration") or {})

    def to_dict(self) -> dict[str, Any]:
        """Name and configuration, fit for the metadata of an array."""
        return {"name": "medroi", "configuration": self._config()}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        """Refuse an array that this codec could not store, before it is created.

        Raises
        ------
        InvalidArgument
            Naming what was found and what to pass.
        """
        dtype = dtype_of(array_spec)
        made = _settings_for(self._settings, array_spec)
        codec.check_array(len(array_spec.shape), dtype, made)
        if not codec.keeps_every_voxel(len(array_spec.shape), dtype, made):
            rules.check_fill_value(made, array_spec.fill_value, dtype)
        return self

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Not known before a chunk is encoded."""
        raise NotImplementedError

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        array = chunk_array.as_numpy_array()
        chunk, is_flat = as_specified(array, chunk_spec.shape, dtype_of(chunk_spec))
        made = _settings_for(self._writing(), chunk_spec)
        if is_flat:
            made = rules.of_filtered(made)
        coded = codec.encode(chunk, made)
        may_leave_out = not chunk_spec.config.write_empty_chunks and not is_flat
        if may_leave_out and rules.is_fill(coded, made, chunk_spec):
            return None
        return chunk_spec.prototype.buffer.from_bytes(coded)

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_array, chunk_spec)

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        array = codec.decode(
            chunk_bytes.as_numpy_array(),
            shape=chunk_spec.shape,
            dtype=dtype_of(chunk_spec),
            threads=self._settings.threads,
            reading=self._settings.reading,
        )
        return _as_buffer(array, chunk_spec)

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    def _reading(self, selection: Any, spec: ArraySpec) -> ranges.Reading:
        made = self._settings
        return ranges.read_selection(
            selection, tuple(spec.shape), dtype_of(spec), made.threads, made.reading
        )

    def _decode_partial_sync(
        self, byte_getter: Any, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        reading = self._reading(selection, chunk_spec)
        array = ranges.read_sync(byte_getter, chunk_spec.prototype, reading)
        return None if array is None else _as_buffer(array, chunk_spec)

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        reading = self._reading(selection, chunk_spec)
        array = await ranges.read_async(byte_getter, chunk_spec.prototype, reading)
        return None if array is None else _as_buffer(array, chunk_spec)


def _settings_for(made: codec.Settings, spec: ArraySpec) -> codec.Settings:
    """The settings, their background the fill value of what has to be coded if none is given.

    Found for each chunk: array-to-array codecs in front may change the fill value with the
    dtype, or change only the dtype and leave a fill value that no element can have.
    """
    is_known = rules.bits_of_fill(spec.fill_value, dtype_of(spec)) is not None
    fill_value = spec.fill_value if is_known else None
    return settings.with_fill_value(made, fill_value, dtype_of(spec))


def _as_buffer(array: arrays.Array, spec: ArraySpec) -> NDBuffer:
    return spec.prototype.nd_buffer.from_numpy_array(
        in_byte_order(np.asarray(array), dtype_of(spec))
    )


register_codec("medroi", MedROICodec)
