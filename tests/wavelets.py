"""Parts through wavelet3d, and what every version of it promises of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import reference_wavelet3d
from kernel_build import Coder

from medroi.inner.base import Block
from medroi.inner.wavelet3d import Wavelet3D

DTYPES = ["|u1", "|i1", "<i2", ">u2", "<i4", ">u4", "<f2", "<f4", ">f8"]


def through(array: np.ndarray, **settings: float | str) -> tuple[bytes, np.ndarray]:
    """The code of a part, and what comes back."""
    codec = Wavelet3D(**settings)  # type: ignore[arg-type]
    codec.check(Block(array.shape, array.dtype))
    coded = codec.plan(array).encode(array)
    out = np.empty_like(array)
    Wavelet3D.decode(memoryview(coded), out)
    return coded, out


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    a, b = first.astype(float), second.astype(float)
    return float(10 * np.log10((a.max() - a.min()) ** 2 / np.mean((a - b) ** 2)))


def check_reference(array: np.ndarray, **settings: float | str) -> None:
    """The reference decodes the same bits."""
    coded, decoded = through(array, **settings)
    expected = reference_wavelet3d.decode(coded, array.shape, array.dtype.str)
    assert decoded.tobytes() == expected.tobytes()


def check_builds(made: Sequence[Coder], array: np.ndarray, params: list[float]) -> None:
    """All builds write and read the same bytes."""
    written = {coder.encode(array, params) for coder in made}
    assert len(written) == 1
    coded = written.pop()
    assert len({coder.decode(coded, array).tobytes() for coder in made}) == 1
