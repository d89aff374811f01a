"""Integer tables of HiFiC's two priors, in double precision."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream
from medroi.inner.neural.tables import (
    Tables,
    row_from_cumulative,
    sigmoid,
    stack_rows,
    tables_around_mean,
)

_LAYERS = 4
_PREFIX = "Hyperprior.hyperlatent_likelihood."
# Hyperlatents beyond these are escapes; rows end where less than the tail is left.
_REACH = 512
_TAIL = 2.0**-14
# Half width of a logistic row in scales: leaves 1e-5 to the escape.
_LOGISTIC_REACH = 12.0
_LOGISTIC_CRC = 0xB601989A

Reals = npt.NDArray[np.float64]


def density_logits(tensors: Mapping[str, npt.NDArray[np.float32]], x: Reals) -> Reals:
    """Logits of the cumulative probability of the hyperlatents.

    Unlike CompressAI's, the last layer has a factor too.

    Parameters
    ----------
    tensors : mapping of str to ndarray
    x : ndarray of float64, shape (channels, points)
    """
    values = x[:, np.newaxis, :]
    for layer in range(_LAYERS):
        matrix, bias, factor = (
            tensors[f"{_PREFIX}{name}_{layer}"].astype(np.float64) for name in "Hba"
        )
        values = np.einsum("cij,cjp->cip", np.logaddexp(0.0, matrix), values) + bias
        values = values + np.tanh(factor) * np.tanh(values)
    result: Reals = values[:, 0, :]
    return result


def hyper_tables(tensors: Mapping[str, npt.NDArray[np.float32]]) -> Tables:
    """One row per channel of the hyperlatents, for symbols floor(z + 1/2)."""
    channels = tensors[f"{_PREFIX}H_0"].shape[0]
    symbols = np.arange(-_REACH, _REACH + 2)
    points = np.broadcast_to(symbols - 0.5, (channels, symbols.size))
    reached = sigmoid(density_logits(tensors, np.ascontiguousarray(points)))
    if np.any(np.diff(reached, axis=1) < -1e-12):
        raise CorruptStream("hific: the prior of these weights is no probability")
    rows, offsets = [], []
    for below in reached:
        first = int(np.searchsorted(below, _TAIL))
        last = int(np.searchsorted(below, 1.0 - _TAIL, side="right"))
        first, last = max(0, min(first - 1, symbols.size - 2)), max(last, first)
        kept = below[first : min(last, symbols.size - 1) + 1]
        rows.append(row_from_cumulative(kept - kept[0]))
        offsets.append(int(symbols[first]))
    return stack_rows(rows, offsets)


@functools.cache
def logistic_tables() -> Tables:
    """Rows for integers around the mean of a logistic distribution, one per `scale_edges`.

    Raises
    ------
    MedROIError
        Where this machine's mathematics library gives other integers than every other.
    """
    return tables_around_mean(_logistic_below, _LOGISTIC_REACH, _LOGISTIC_CRC)


def _logistic_below(x: float) -> float:
    small = math.exp(-abs(x))
    return (1.0 if x >= 0 else small) / (1.0 + small)
