"""The published "JPEG2000-3D", rebuilt: a wavelet of PyWavelets, pickle and gzip.

bior4.4, three levels, periodization, float32; uniform quantisation to int16; pickle; gzip -9.
"""

from __future__ import annotations

import dataclasses
import gzip
import pickle
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable

Array = npt.NDArray[Any]

_WAVELET, _MODE, _N_LEVELS = "bior4.4", "periodization", 3
# Offset and step of the 8 bits, float64 each; the published files leave them out.
SCALE_NBYTES = 16


@dataclasses.dataclass(frozen=True)
class Scale:
    """Map from values to 8 bits, and back."""

    low: float
    step: float

    @classmethod
    def of(cls, values: Array) -> Scale:
        """From the range of finite values."""
        low, high = float(values.min()), float(values.max())
        return cls(low, (high - low) / 255 or 1.0)

    def apply(self, values: Array) -> Array:
        """0 to 255, rounded, as float32."""
        scaled = np.rint((values.astype(np.float64) - self.low) / self.step)
        return np.clip(scaled, 0, 255).astype(np.float32)

    def invert(self, scaled: Array, dtype: np.dtype[Any]) -> Array:
        """Values in stored units."""
        values = np.clip(np.rint(scaled), 0, 255) * self.step + self.low
        return (values if dtype.kind == "f" else np.rint(values)).astype(dtype)


def encode(scaled: Array, step: float) -> bytes:
    """Code values of 0 to 255, slices first."""
    return gzip.compress(pickle.dumps(_quantised(scaled, step)), 9)


def decode(coded: bytes, step: float, shape: tuple[int, ...]) -> Array:
    """Decode bytes that `encode` made in this process; never those of a file."""
    quantised, places = pickle.loads(gzip.decompress(coded))
    return _restored(quantised, places, step, shape)


def distorted(scaled: Array, step: float) -> Array:
    """Return the decoded array without coding the bytes: for searches."""
    quantised, places = _quantised(scaled, step)
    return _restored(quantised, places, step, scaled.shape)


def _quantised(scaled: Array, step: float) -> tuple[Array, Any]:
    pywt = load_pywt()
    with warnings.catch_warnings():
        # Short axes are at the border everywhere, which is how the published code has them too.
        warnings.simplefilter("ignore", UserWarning)
        bands = pywt.wavedecn(scaled, _WAVELET, mode=_MODE, level=_N_LEVELS)
    coefficients, places = pywt.coeffs_to_array(bands)
    limits = np.iinfo(np.int16)
    quantised = np.clip(np.rint(coefficients / step), limits.min, limits.max)
    return quantised.astype(np.int16), places


def _restored(quantised: Array, places: Any, step: float, shape: tuple[int, ...]) -> Array:
    pywt = load_pywt()
    bands = pywt.array_to_coeffs(quantised.astype(np.float32) * np.float32(step), places)
    whole = pywt.waverecn(bands, _WAVELET, mode=_MODE)
    return np.asarray(whole[tuple(map(slice, shape))])


def load_pywt() -> Any:
    """The pywt module.

    Raises
    ------
    InnerUnavailable
    """
    try:
        import pywt
    except ImportError as error:
        raise InnerUnavailable(
            "the published wavelet needs PyWavelets: pip install PyWavelets"
        ) from error
    return pywt
