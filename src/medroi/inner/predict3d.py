"""Inner codec 5: lossless 3-D predictive coding, of this project."""

from __future__ import annotations

from dataclasses import dataclass

from medroi.errors import InnerUnavailable
from medroi.inner.base import Array, NativeCodec


@dataclass(frozen=True)
class Predict3D(NativeCodec):
    """Blended 3-D prediction and adaptive coding: bool, integers and real floats, bit-exact."""

    codec_id = 5
    name = "predict3d"
    dtypes = "all real numbers"
    dims = "1-D to 8-D"

    level: str = "dense"

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        raise InnerUnavailable(f"{self.name} is part of the kernel, which this build lacks")

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        raise InnerUnavailable(f"{cls.name} is part of the kernel, which this build lacks")
