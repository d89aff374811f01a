"""A packed scan as xarray has data: named axes, millimetres and seconds beside the voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.access.lazy_array import LazyArray
from medroi.scans.scan import require

# A rotation that moves the corner of a large volume by less than a thousandth of a voxel is none.
_ALIGNED = 1e-6


def data_array(
    voxels: LazyArray,
    names: tuple[str, ...],
    affine: npt.NDArray[np.float64],
    times_s: npt.NDArray[np.float64] | None,
    attributes: dict[str, Any],
) -> Any:
    """Make an `xarray.DataArray` whose voxels are read when they are asked for.

    Parameters
    ----------
    voxels : LazyArray
        In the order (x, y, z, t, ...).
    names : tuple of str
        Of its axes.
    affine : ndarray
        4x4, voxel index to mm, RAS+. Where every axis of the array runs along the axis of the
        patient with its name, x, y and z get coordinates in millimetres; an oblique scan has none.
    times_s : ndarray or None
        Coordinates of t.
    attributes : dict
        Of the array.
    """
    xarray = require("xarray", "an xarray.DataArray", "xarray")
    coordinates: dict[str, Any] = {}
    if is_aligned(affine):
        for axis, (name, size) in enumerate(zip(names[:3], voxels.shape, strict=False)):
            places_mm = affine[axis, axis] * np.arange(size) + affine[axis, 3]
            coordinates[name] = (name, places_mm, {"units": "mm"})
    if times_s is not None and "t" in names:
        coordinates["t"] = ("t", times_s, {"units": "s"})
    variable = xarray.Variable(names, _backend_array(voxels), attributes)
    found = xarray.DataArray(variable, coordinates, name="voxels")
    # With chunks={} dask reads what is decoded at once.
    found.encoding["preferred_chunks"] = dict(zip(names, voxels.chunks, strict=True))
    return found


def is_aligned(affine: npt.NDArray[np.float64]) -> bool:
    """Whether every axis of the array runs along the axis of the patient with the same name."""
    steps = affine[:3, :3]
    along = np.abs(np.diag(steps))
    off = np.abs(steps - np.diag(np.diag(steps)))
    return bool(along.all() and (off.max() <= _ALIGNED * along.min()))


def _backend_array(voxels: LazyArray) -> Any:
    from xarray.core import indexing

    return indexing.LazilyIndexedArray(_packed_voxels(voxels))


def _packed_voxels(voxels: LazyArray) -> Any:
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class PackedVoxels(BackendArray):
        """Voxels for xarray's lazy indexing."""

        shape, dtype = voxels.shape, voxels.dtype

        def __getitem__(self, key: Any) -> Any:
            return indexing.explicit_indexing_adapter(
                key, self.shape, indexing.IndexingSupport.BASIC, voxels.__getitem__
            )

        def __reduce__(self) -> Any:
            # Its class is made where xarray is there: another process makes its own.
            return _packed_voxels, (voxels,)

    return PackedVoxels()
