"""Inner codec 3: JPEG 2000 Part-1 codestreams, one per 2-D slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medroi.errors import InvalidArgument
from medroi.inner.base import Array, NativeCodec, check_number

_LOSSLESS, _RATE, _PSNR = 0.0, 1.0, 2.0


@dataclass(frozen=True)
class Jpeg2000(NativeCodec):
    """JPEG 2000; lossless unless a rate or a PSNR is asked for.

    Attributes
    ----------
    rate : float, optional
        Stored bytes of a slice's region per byte of its codestream.
    psnr : float, optional
        In dB over the region; reached within 0.2 dB or refused, and exceeded only where the
        codec has no coarser setting that reaches it.
    peak : float, optional
        What the PSNR refers to, in stored units; None is the region's own range.
    """

    codec_id = 3
    name = "jpeg2000"

    rate: float | None = None
    psnr: float | None = None
    peak: float | None = None

    def __post_init__(self) -> None:
        """Refuse contradictions and numbers out of range."""
        if self.rate is not None and self.psnr is not None:
            raise InvalidArgument("jpeg2000: give rate or psnr, not both; neither is lossless")
        if self.rate is not None:
            check_number(self.name, "rate", self.rate, 1, 100000)
        if self.psnr is not None:
            check_number(self.name, "psnr", self.psnr, 1, 150)
        if self.peak is not None:
            if self.psnr is None:
                raise InvalidArgument("jpeg2000: peak belongs to psnr; give both")
            check_number(self.name, "peak", self.peak, 1e-300, 1e300)

    @property
    def lossless(self) -> bool:
        """See `InnerCodec.lossless`."""
        return self.rate is None and self.psnr is None

    def config(self) -> dict[str, Any]:
        """See `InnerCodec.config`."""
        return {key: value for key, value in super().config().items() if value is not None}

    def native_params(self) -> tuple[float, ...]:
        """Mode, target, peak."""
        if self.rate is not None:
            return (_RATE, float(self.rate), 0.0)
        if self.psnr is not None:
            return (_PSNR, float(self.psnr), float(self.peak or 0))
        return (_LOSSLESS, 0.0, 0.0)

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        raise NotImplementedError

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        raise NotImplementedError
