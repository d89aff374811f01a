"""Real numbers put on a frozen grid so that two machines agree on every place.

The same network in double precision gives numbers that differ by about 1e-13 between thread
counts, libraries and processors. Almost every number lies farther than that from the edges of
its grid; the encoder records the few that do not, and the decoder believes the record.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream

# A thousand thousand times what arithmetic changes, a thousandth of what would cost bytes.
RELATIVE_MARGIN = 1e-6
_COUNT = struct.Struct("<I")
_ENTRY = np.dtype([("position", "<u4"), ("place", "<i4")])

Places = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Near:
    """The elements too close to an edge of the grid.

    Attributes
    ----------
    positions : ndarray of int64
        Strictly increasing, in the flattened array.
    places : ndarray of int32
        Where the encoder put them.
    """

    positions: npt.NDArray[np.int64]
    places: Places

    def pack(self) -> bytes:
        """Bytes: u32 count, then u32 position and i32 place of each."""
        entries = np.empty(self.positions.size, _ENTRY)
        entries["position"], entries["place"] = self.positions, self.places
        return _COUNT.pack(entries.size) + entries.tobytes()

    @classmethod
    def unpack(cls, coded: memoryview) -> tuple[Near, memoryview]:
        """The record at the start of some bytes, and the bytes behind it.

        Raises
        ------
        CorruptStream
        """
        if len(coded) < _COUNT.size:
            raise CorruptStream("corrupt stream: a record of near elements is cut off")
        (count,) = _COUNT.unpack_from(coded)
        stop = _COUNT.size + count * _ENTRY.itemsize
        if stop > len(coded):
            raise CorruptStream(f"corrupt stream: a record of {count} near elements is cut off")
        entries = np.frombuffer(coded[_COUNT.size : stop], _ENTRY)
        positions = entries["position"].astype(np.int64)
        if np.any(np.diff(positions) <= 0):
            raise CorruptStream("corrupt stream: near elements are not in order")
        return cls(positions, entries["place"].astype(np.int32)), coded[stop:]

    def within(self, start: int, count: int) -> Near:
        """Entries of the record for `count` elements from `start` on, counted from there."""
        first, last = np.searchsorted(self.positions, (start, start + count))
        return Near(self.positions[first:last] - start, self.places[first:last])


def between(values: Reals, edges: Reals) -> Places:
    """The number of edges below each value.

    Parameters
    ----------
    values : ndarray of float64
    edges : ndarray of float64, one axis
        Increasing.
    """
    return np.searchsorted(edges, values, side="left").astype(np.int32)


def decide_between(values: Reals, edges: Reals) -> tuple[Places, Near]:
    """`between`, and the record of what lies near an edge."""
    places = between(values, edges)
    lower = edges[np.maximum(places - 1, 0)]
    upper = edges[np.minimum(places, edges.size - 1)]
    distance = np.minimum(np.abs(values - lower), np.abs(values - upper))
    return _decided(places, distance <= RELATIVE_MARGIN * np.maximum(np.abs(values), 1.0))


def whole(values: Reals) -> Places:
    """Each value rounded down after adding a half; values must fit int32 with room to spare."""
    return np.floor(values + 0.5).astype(np.int32)


def decide_whole(values: Reals) -> tuple[Places, Near]:
    """`whole`, and the record of what lies near the edge between two integers."""
    places = whole(values)
    distance = np.abs(np.abs(values - places) - 0.5)
    return _decided(places, distance <= RELATIVE_MARGIN * np.maximum(np.abs(values), 1.0))


def _decided(places: Places, is_near: npt.NDArray[np.bool_]) -> tuple[Places, Near]:
    positions = np.flatnonzero(is_near)
    return places, Near(positions, places.reshape(-1)[positions])


def believe(places: Places, near: Near) -> Places:
    """The decoder's places with the encoder's where it recorded them.

    Raises
    ------
    CorruptStream
        For a record that no rounding error explains: a place differs by more than one.
    """
    if near.positions.size == 0:
        return places
    flat = places.reshape(-1).copy()
    if near.positions[-1] >= flat.size:
        raise CorruptStream(
            f"corrupt stream: a near element at {near.positions[-1]} of {flat.size}"
        )
    difference = flat[near.positions].astype(np.int64) - near.places
    if np.any(np.abs(difference) > 1):
        raise CorruptStream("corrupt stream: recorded places are not near the computed ones")
    flat[near.positions] = near.places
    return flat.reshape(places.shape)
