"""Inner codec 4: lossy 3-D wavelet coding, of this project."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medroi import _kernel
from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.inner.base import (
    Array,
    InnerCodec,
    NativeCodec,
    block_of,
    dense_bytes,
    native_block,
)
from medroi.values import float_of


@dataclass(frozen=True)
class Wavelet3D(NativeCodec):
    """A 9/7 wavelet along all axes; exactly one target is given."""

    codec_id = 4
    name = "wavelet3d"
    kind = "psnr, rate, max_error, step or noise"
    dtypes = "all numbers without NaN"
    dims = "1-D to 8-D"

    psnr: float | None = None
    rate: float | None = None
    max_error: float | None = None
    step: float | None = None
    noise: float | None = None
    spacing_mm: tuple[float, ...] = ()
    speed: str = "fast"

    def __post_init__(self) -> None:
        """See `NativeCodec`; the spacing may be any sequence of numbers.

        Raises
        ------
        InvalidArgument
        """
        name = f"{self.name}: spacing_mm"
        given: Any = self.spacing_mm
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise InvalidArgument(f"{name}={given!r}, expected three numbers from 0")
        spacing = tuple(float_of(name, value) for value in given)
        object.__setattr__(self, "spacing_mm", spacing)
        super().__post_init__()

    @property
    def lossless(self) -> bool:
        """Never."""
        return False

    def promised_error(self) -> float | None:
        """See `InnerCodec.promised_error`."""
        return self.max_error

    def config(self) -> dict[str, Any]:
        """Name, target and spacing, fit for JSON."""
        settings = dataclasses.asdict(self)
        settings["spacing_mm"] = list(self.spacing_mm)
        return {"id": self.name, **{k: v for k, v in settings.items() if v not in (None, [])}}

    def with_target(self, name: str, value: float) -> Wavelet3D:
        """See `NativeCodec.with_target`."""
        targets: dict[str, Any] = dict.fromkeys(("psnr", "rate", "max_error", "step", "noise"))
        return dataclasses.replace(self, **{**targets, name: value})

    def plan(self, region: Array) -> InnerCodec:
        """See `InnerCodec.plan`."""
        block = native_block(block_of(region))
        return _Planned(
            _kernel.plan(self.codec_id, block, dense_bytes(region), self.native_params())
        )

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        raise _absent()

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        raise _absent()


@dataclass(frozen=True)
class _Planned(NativeCodec):
    """The codec once the step is known."""

    codec_id = Wavelet3D.codec_id
    name = Wavelet3D.name

    params: tuple[float, ...]

    def native_params(self) -> tuple[float, ...]:
        """Parameters of the kernel's plan."""
        return self.params

    def encode_without_kernel(self, part: Array) -> bytes:
        """See `NativeCodec`."""
        raise _absent()

    @classmethod
    def decode_without_kernel(cls, coded: memoryview, out: Array) -> None:
        """See `NativeCodec`."""
        raise _absent()


def _absent() -> InnerUnavailable:
    return InnerUnavailable("wavelet3d is part of the kernel, which this build lacks")
