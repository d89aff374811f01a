"""From the network's parameters to the integers under which a residual is coded.

A parameter is rounded to a grid. Two machines may disagree about one that lies close to the middle
between two integers: the encoder lists these and says which way it went.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import CorruptStream, InvalidArgument
from medroi.inner.neural.bcmnet.model import COMPONENTS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

# Steps of the grids: an eighth of an octave, 1/64 of a level.
_PER_OCTAVE = 8 / math.log(2)
_PER_LEVEL = 64
_SCALE_OF_ONE = 40
_MAX_WEIGHT, _MAX_SCALE, _MAX_MEAN = 127, 175, 8388608
_MIN_LOG_SCALE = -7
# Two float64 runs differ by about 1e-13 of a value; networks may amplify more than those seen.
_DOUBT = 1e-8


@dataclass(frozen=True)
class Doubts:
    """Parameters that lie close to the middle between two integers.

    Attributes
    ----------
    positions : array of int
        Ascending places among all parameters of a sub-image.
    up : array of bool
        Whether the encoder took the larger integer.
    """

    positions: npt.NDArray[np.int64]
    up: npt.NDArray[np.bool_]

    def to_bytes(self) -> bytes:
        """Their number and one u32 each: distance to the one before, times 2, plus `up`."""
        gaps = np.diff(self.positions, prepend=0)
        words = np.concatenate([[gaps.size], 2 * gaps + self.up])
        return words.astype("<u4").tobytes()

    @staticmethod
    def read(coded: memoryview, n_parameters: int) -> tuple[Doubts, memoryview]:
        """Read what `to_bytes` wrote; returns also the bytes behind it."""
        count = int.from_bytes(coded[:4], "little")
        if len(coded) < 4 or count > n_parameters or len(coded) < 4 + 4 * count:
            raise CorruptStream("corrupt stream: a list of bcmnet's parameters is cut off")
        words = np.frombuffer(coded[4 : 4 + 4 * count], "<u4")
        positions = np.cumsum(words >> 1, dtype=np.int64)
        if count and (positions[-1] >= n_parameters or (words[1:] < 2).any()):
            raise CorruptStream("corrupt stream: a list of bcmnet's parameters does not ascend")
        return Doubts(positions, (words & 1).astype(bool)), coded[4 + 4 * count :]


def on_grid(parameters: Floats) -> Floats:
    """Parameters of a sub-image, [voxels, 30], in units of the grid and within its limits.

    Raises
    ------
    InvalidArgument
        Where the network gave NaN or infinity.
    """
    if not np.isfinite(parameters).all():
        raise InvalidArgument(
            "bcmnet: these weights give parameters that are not finite: use others or predict3d"
        )
    logits, means, log_scales = np.split(parameters, 3, axis=1)
    below = (logits.max(axis=1, keepdims=True) - logits) * _PER_OCTAVE
    scales = np.maximum(log_scales, _MIN_LOG_SCALE) * _PER_OCTAVE + _SCALE_OF_ONE
    places = np.concatenate(
        [
            np.minimum(below, _MAX_WEIGHT),
            np.clip(means * _PER_LEVEL, -_MAX_MEAN, _MAX_MEAN),
            np.clip(scales, 0, _MAX_SCALE),
        ],
        axis=1,
    )
    return places


def find_doubts(places: Floats) -> Doubts:
    """The encoder's: which parameters are listed, and where they go."""
    flat = places.reshape(-1)
    beside = np.floor(flat)
    listed = np.abs(flat - beside - 0.5) < _DOUBT * (1 + np.abs(flat))
    positions = np.flatnonzero(listed)
    return Doubts(positions, flat[positions] - beside[positions] >= 0.5)


def decide(places: Floats, doubts: Doubts) -> Ints:
    """Integers, [voxels, 30]: the nearest one, and for listed parameters the one that was taken.

    Raises
    ------
    CorruptStream
        Where a listed parameter is not close to the middle, so the list is not that of these.
    """
    flat = places.reshape(-1)
    integers = np.floor(flat + 0.5).astype(np.int32)
    listed = flat[doubts.positions]
    lower = np.floor(listed)
    if (np.abs(listed - lower - 0.5) > 2 * _DOUBT * (1 + np.abs(listed))).any():
        raise CorruptStream(
            "corrupt stream: a parameter of bcmnet lies elsewhere than where it was encoded"
        )
    integers[doubts.positions] = lower.astype(np.int32) + doubts.up
    return integers.reshape(places.shape)


def coder(integers: Ints, low: Ints, high: Ints) -> Any:
    """The coder of symbols low..high, one per row of integers."""
    weights, means, scales = (
        np.ascontiguousarray(integers[:, i * COMPONENTS : (i + 1) * COMPONENTS]) for i in range(3)
    )
    return _kernel.Mixtures(weights.astype(np.uint8), means, scales.astype(np.uint8), low, high)
