"""Voxels in the unit of the file, read when they are indexed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.access.lazy_array import LazyArray, Read
from medroi.scans.scaling import Scaling


def scaled(voxels: LazyArray, scaling: Scaling) -> LazyArray:
    """Give the same array in the unit of the file, still read when it is indexed.

    One slope for all gives what nibabel gives, in its dtype; a table of them float64; a table of
    values uint16.
    """
    if scaling.is_identity:
        return voxels
    dtype = scaling.applied(np.zeros((1,) * voxels.ndim, voxels.dtype), None).dtype
    return LazyArray(_ScaledRead(scaling, voxels.read), voxels.shape, dtype, voxels.chunks)


@dataclass(frozen=True, eq=False)
class _ScaledRead:
    scaling: Scaling
    read: Read

    def __call__(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        return self.scaling.applied(self.read(box), box)
