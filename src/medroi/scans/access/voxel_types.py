"""Voxels of several numbers, a colour or a complex value, as the one element they are in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.access.lazy_array import LazyArray, Read
from medroi.scans.formats.elements import element_type_of
from medroi.scans.scan import Scan


def as_elements(scan: Scan, voxels: LazyArray) -> LazyArray:
    """Give the voxels of a scan with one element per voxel, where NIfTI has a type for that.

    Parameters
    ----------
    scan : Scan
        Whose details say of how many numbers a voxel is.
    voxels : LazyArray
        With these numbers as the last axis.
    """
    components = scan.details.get("components")
    element = element_type_of(components, voxels.dtype) if components else None
    if element is None or voxels.shape[-1:] != (len(components or ()),):
        return voxels
    read = _Joined(voxels.read, element, voxels.shape[-1])
    return LazyArray(read, voxels.shape[:-1], element, voxels.chunks[:-1])


@dataclass(frozen=True, eq=False)
class _Joined:
    read: Read
    element: np.dtype[Any]
    n_components: int

    def __call__(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        numbers = self.read((*box, slice(0, self.n_components)))
        return np.ascontiguousarray(numbers).view(self.element)[..., 0]
