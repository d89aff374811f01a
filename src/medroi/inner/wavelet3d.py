"""Inner codec 4: lossy 3-D wavelet coding, of this project."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from medroi import _kernel
from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.inner.base import (
    Array,
    InnerCodec,
    NativeCodec,
    block_of,
    check_number,
    dense_bytes,
    native_block,
)

_TARGETS = ("psnr", "rate", "max_error", "step")


@dataclass(frozen=True)
class Wavelet3D(NativeCodec):
    """A 9/7 wavelet along all axes; exactly one target is given.

    Attributes
    ----------
    psnr : float, optional
        dB against the range of the data inside the region, reached within 0.2 dB.
    rate : float, optional
        Stored bytes of the region / its payload, reached within 1 %.
    max_error : float, optional
        No voxel differs by more, in stored units.
    step : float, optional
        Step of the quantiser, in stored units: no search.
    spacing_mm : sequence of float
        Voxel spacing of the last three axes in coding order; axes with much longer voxels are
        split less often. Empty where it is not known.
    """

    codec_id = 4
    name = "wavelet3d"
    kind = "psnr, rate, max_error or step"
    dtypes = "all numbers without NaN"
    dims = "1-D to 8-D"

    psnr: float | None = None
    rate: float | None = None
    max_error: float | None = None
    step: float | None = None
    spacing_mm: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse all but one target."""
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidArgument(
                f"{self.name}: exactly one of {', '.join(_TARGETS)} is needed, "
                f"found {', '.join(given) or 'none'}; for example psnr=50"
            )
        check_number(self.name, given[0], getattr(self, given[0]), 0, 1e300)
        spacing = tuple(self.spacing_mm)
        if len(spacing) not in (0, 3):
            raise InvalidArgument(f"{self.name}: spacing_mm={spacing!r}, expected three numbers")
        for value in spacing:
            check_number(self.name, "spacing_mm", value, 0, 1e300)
        object.__setattr__(self, "spacing_mm", spacing)

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

    def native_params(self) -> tuple[float, ...]:
        """Target (1 to 4), its value, three spacings, and the step where it is known."""
        mode, value = next(
            (i + 1, float(getattr(self, name)))
            for i, name in enumerate(_TARGETS)
            if getattr(self, name) is not None
        )
        spacing = self.spacing_mm or (0.0, 0.0, 0.0)
        return (float(mode), value, *map(float, spacing), value)

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
