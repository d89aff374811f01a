"""Inner codec 1: zlib streams (RFC 1950)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from medroi.inner.base import Array, NativeCodec
from medroi.inner.packed import pack, unpack


@dataclass(frozen=True)
class Deflate(NativeCodec):
    """Deflate."""

    codec_id = 1
    name = "deflate"

    level: int = 6
    shuffle: bool = True

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        return pack(part, self.shuffle, lambda plain: zlib.compress(plain, self.level))

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""

        def decompress(packed: bytes) -> bytes:
            stream = zlib.decompressobj()
            plain = stream.decompress(packed, out.nbytes + 1)
            if not stream.eof or stream.unused_data:
                raise ValueError("the zlib stream has another length than its part")
            return plain

        unpack(coded, out, decompress)
