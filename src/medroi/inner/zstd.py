"""Inner codec 2: Zstandard frames (RFC 8878)."""

from __future__ import annotations

from dataclasses import dataclass

from medroi.inner.base import Array, NativeCodec
from medroi.inner.packed import pack, unpack


@dataclass(frozen=True)
class Zstd(NativeCodec):
    """Zstandard."""

    codec_id = 2
    name = "zstd"

    level: int = 3
    shuffle: bool = True

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        from numcodecs.zstd import compress

        return pack(part, self.shuffle, lambda plain: bytes(compress(plain, self.level)))

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        from numcodecs.zstd import decompress

        def sized(packed: bytes) -> bytes:
            if _content_nbytes(packed) != out.nbytes:
                raise ValueError("the frame does not announce the size of its part")
            return bytes(decompress(packed))

        unpack(coded, out, sized)


def _content_nbytes(frame: bytes) -> int | None:
    """Content size that a Zstandard frame header announces (RFC 8878, section 3.1.1.1)."""
    if len(frame) < 6 or frame[:4] != b"\x28\xb5\x2f\xfd":
        return None
    size_flag, single_segment = frame[4] >> 6, frame[4] >> 5 & 1
    field_nbytes = (1 if single_segment else 0, 2, 4, 8)[size_flag]
    start = 5 + (1 - single_segment) + (0, 1, 2, 4)[frame[4] & 3]
    if field_nbytes == 0 or len(frame) < start + field_nbytes:
        return None
    size = int.from_bytes(frame[start : start + field_nbytes], "little")
    return size + 256 if field_nbytes == 2 else size
