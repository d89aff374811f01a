"""Inner codec 0: the region's bytes as they are."""

from __future__ import annotations

from dataclasses import dataclass

from medroi.errors import CorruptStream
from medroi.inner.base import Array, NativeCodec, dense_bytes


@dataclass(frozen=True)
class Raw(NativeCodec):
    """No compression."""

    codec_id = 0
    name = "raw"

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        return dense_bytes(part).tobytes()

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        if len(coded) != out.nbytes:
            raise CorruptStream(
                f"corrupt stream: a raw part has {len(coded)} bytes, expected {out.nbytes}"
            )
        dense_bytes(out)[:] = coded
