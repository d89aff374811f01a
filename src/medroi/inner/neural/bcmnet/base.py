"""The lossy base: wavelet3d, whose decoded values are the same on every machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.inner.base import Block, block_of, dense_bytes, native_block

Ints = npt.NDArray[np.int32]

_WAVELET3D = 4
# The target of wavelet3d's parameters that is a step.
_STEP = 4.0


def step_for(span: float, psnr: float) -> float:
    """The step of a uniform quantiser whose error is that of a PSNR against `span`.

    What wavelet3d reaches lies near it; nothing depends on how near, and a search would cost more
    than it gives.
    """
    return max(span, 1.0) * math.sqrt(12) * 10 ** (-psnr / 20)


def encode(indices: Ints, step: float) -> bytes:
    """Slices of indices, 0 to 65535, as a part of wavelet3d."""
    samples = indices.astype("<u2")
    params = (_STEP, step, 0.0, 0.0, 0.0, step)
    coded: bytes = _kernel.encode_part(
        _WAVELET3D, native_block(block_of(samples)), dense_bytes(samples), params
    )
    return coded


def decode(coded: Any, shape: tuple[int, ...]) -> Ints:
    """Lossy slices."""
    samples = np.empty(shape, "<u2")
    block = native_block(Block(shape, samples.dtype))
    _kernel.decode_part(_WAVELET3D, block, coded, dense_bytes(samples))
    return samples.astype(np.int32)
