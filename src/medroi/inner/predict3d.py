"""Inner codec 5: lossless 3-D predictive coding, of this project."""

from __future__ import annotations

from dataclasses import dataclass

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.inner.base import Array, NativeCodec

_SPEEDS = ("dense", "fast")


@dataclass(frozen=True)
class Predict3D(NativeCodec):
    """Blended 3-D prediction and adaptive coding: bool, integers and real floats, bit-exact.

    Attributes
    ----------
    speed : str
        "dense" (smallest) or "fast" (about three times as fast, and 1 to 8 % larger).
    """

    codec_id = 5
    name = "predict3d"
    dtypes = "all real numbers"
    dims = "1-D to 8-D"

    speed: str = "dense"

    def __post_init__(self) -> None:
        """Refuse speeds that do not exist."""
        if self.speed not in _SPEEDS:
            raise InvalidArgument(
                f"{self.name}: speed={self.speed!r}, expected one of {', '.join(_SPEEDS)}"
            )

    def native_params(self) -> tuple[float, ...]:
        """Speed: 0 dense, 1 fast."""
        return (float(_SPEEDS.index(self.speed)),)

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        raise InnerUnavailable(f"{self.name} is part of the kernel, which this build lacks")

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        raise InnerUnavailable(f"{cls.name} is part of the kernel, which this build lacks")
