"""The voxels of a packed scan as an array that reads what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.access.selecting import boxed

# Reads one box of voxels: a slice with start and stop for each axis.
Read = Callable[[tuple[slice, ...]], npt.NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class LazyArray:
    """An array whose voxels are read when it is indexed, and only the chunks that this needs.

    An index is one of NumPy's and gives what NumPy gives; nothing is kept in memory between two.
    ``np.asarray(array)`` reads all of it.

    Attributes
    ----------
    read : callable
        Reads one box of voxels.
    shape : tuple of int
        (x, y, z) or (x, y, z, t, ...), as NIfTI has it.
    dtype : dtype
        Of the values, in native byte order.
    chunks : tuple of int
        What is decoded at once, per axis.
    """

    read: Read
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that all voxels take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        box, inside = boxed(key, self.shape)
        if any(start == stop for start, stop in box):
            block = np.empty([stop - start for start, stop in box], self.dtype)
        else:
            block = self.read(tuple(slice(start, stop) for start, stop in box))
        return block[inside]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a packed scan is decoded: its voxels cannot be had without a copy")
        voxels = self.read(tuple(slice(0, size) for size in self.shape))
        return voxels if dtype is None else voxels.astype(dtype, copy=False)

    def __repr__(self) -> str:
        sizes = " x ".join(str(size) for size in self.shape)
        return f"<LazyArray {sizes} {self.dtype}, read in chunks of {self.chunks}>"
