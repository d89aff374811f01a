"""A network's output on a grid of levels that every machine decodes alike.

The output is computed in float64, where machines, numbers of threads and versions differ by some
1e-13. A voxel farther than `MARGIN` from the edge between two levels is on the same level
everywhere; the encoder records the few that are nearer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream
from medroi.inner.neural.near import Near, believe

# In units of the region's range.
MARGIN = 2.0**-32
MAX_LEVELS = 65535

Places = npt.NDArray[np.int32]
Batches = Iterator[tuple[slice, npt.NDArray[np.float64]]]


@dataclass(frozen=True)
class Decided:
    """Every voxel on its level.

    Attributes
    ----------
    places : ndarray of int32
        0 to the number of levels less one, in C order.
    near : Near
        The voxels too close to an edge.
    """

    places: Places
    near: Near

    @property
    def crc(self) -> int:
        """CRC-32 of the places as little-endian integers."""
        return crc_of(self.places)


def crc_of(places: Places) -> int:
    """CRC-32 of places as little-endian integers."""
    return zlib.crc32(places.astype("<i4").tobytes())


def steps_between(dtype: np.dtype[np.generic], span: float) -> int:
    """Steps from the lowest to the highest level of a region.

    Parameters
    ----------
    dtype : dtype
        Of the region.
    span : float
        Highest less lowest value.

    Returns
    -------
    int
        As many as there are integers, where they are at most 65535; 65535 otherwise.
    """
    return int(min(span, MAX_LEVELS)) if dtype.kind != "f" else MAX_LEVELS


def _places(values: npt.NDArray[np.float64], steps: int) -> Places:
    return np.floor(np.clip(values, 0.0, 1.0) * steps + 0.5).astype(np.int32)


def decide(batches: Batches, n_voxels: int, steps: int) -> Decided:
    """Put a network's output on its levels and record what lies near an edge.

    Parameters
    ----------
    batches : iterator of (slice, ndarray of float64)
        The output, 0 for the lowest level and 1 for the highest.
    n_voxels : int
    steps : int
        Steps from the lowest to the highest level.
    """
    places = np.empty(n_voxels, np.int32)
    found = []
    for where, values in batches:
        places[where] = _places(values, steps)
        inside = np.clip(values, 0.0, 1.0) * steps + 0.5
        distance = np.abs(inside - np.rint(inside))
        found.append(where.start + np.flatnonzero(distance <= MARGIN * steps))
    positions = np.concatenate(found).astype(np.int64)
    return Decided(places, Near(positions, places[positions]))


def repeat(batches: Batches, n_voxels: int, steps: int, near: Near) -> Places:
    """The places that `decide` found, from the same network's output on another machine."""
    places = np.empty(n_voxels, np.int32)
    for where, values in batches:
        if not np.isfinite(values).all():
            raise CorruptStream("corrupt stream: a sine network gives NaN or infinity")
        places[where] = _places(values, steps)
    return believe(places, near)
