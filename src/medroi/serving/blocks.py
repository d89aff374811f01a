"""Decoded chunks of a packed scan, kept for a while: neighbouring slices need the same ones."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

KEPT_NBYTES = 512 * 2**20


class Blocks:
    """Decoded chunks of an array, the latest of them in memory.

    Parameters
    ----------
    array : LazyArray
        Of a packed scan.
    kept_nbytes : int
        Chunks are kept up to this, and the latest always.
    """

    def __init__(self, array: Any, kept_nbytes: int = KEPT_NBYTES) -> None:
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] = tuple(
            min(chunk, size) for chunk, size in zip(array.chunks, self.shape, strict=True)
        )
        self._array = array
        self._kept_nbytes = kept_nbytes
        self._found: OrderedDict[tuple[int, ...], npt.NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(
            math.ceil(size / chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)
        )

    def block(self, position: tuple[int, ...]) -> npt.NDArray[Any]:
        """One chunk, cut off at the end of the array."""
        with self._lock:
            if position not in self._found:
                box = tuple(
                    slice(index * chunk, min((index + 1) * chunk, size))
                    for index, chunk, size in zip(position, self.chunks, self.shape, strict=True)
                )
                self._found[position] = np.asarray(self._array[box])
                while self._nbytes() > self._kept_nbytes and len(self._found) > 1:
                    self._found.popitem(last=False)
            self._found.move_to_end(position)
            return self._found[position]

    def read(self, bounds: tuple[tuple[int, int], ...]) -> npt.NDArray[Any]:
        """A box of voxels, in Fortran order as scans are."""
        out = np.empty([stop - start for start, stop in bounds], self.dtype, order="F")
        touched = [
            range(start // chunk, (stop - 1) // chunk + 1)
            for (start, stop), chunk in zip(bounds, self.chunks, strict=True)
        ]
        for position in product(*touched):
            block = self.block(position)
            into, of = [], []
            for index, chunk, size, (start, stop) in zip(
                position, self.chunks, block.shape, bounds, strict=True
            ):
                low, high = max(start, index * chunk), min(stop, index * chunk + size)
                into.append(slice(low - start, high - start))
                of.append(slice(low - index * chunk, high - index * chunk))
            out[tuple(into)] = block[tuple(of)]
        return out

    def _nbytes(self) -> int:
        return sum(block.nbytes for block in self._found.values())
