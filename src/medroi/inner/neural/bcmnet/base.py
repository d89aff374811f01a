"""The lossy base: wavelet3d, whose decoded values are the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.inner.base import Array, Block, block_of, dense_bytes, native_block

Ints = npt.NDArray[np.int32]

_WAVELET3D = 4
# Targets of wavelet3d's parameters.
_PSNR, _STEP = 1.0, 4.0


def find_step(region: Array, psnr: float) -> float:
    """The quantiser step, in stored units, with which wavelet3d reaches a PSNR on a region."""
    found = _kernel.plan(
        _WAVELET3D,
        native_block(block_of(region)),
        dense_bytes(region),
        (_PSNR, psnr, 0.0, 0.0, 0.0, psnr),
    )
    return float(found[-1])


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
