"""``torchio.ScalarImage("head.ome.zarr", reader=medroi.readers.torchio.read)``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi.errors import InvalidArgument


def read(
    path: str | os.PathLike[str], *, air: str = "leave"
) -> tuple[Any, npt.NDArray[np.float64]]:
    """Read a packed scan as TorchIO reads a NIfTI file.

    Parameters
    ----------
    path : path
        As `medroi.open` takes it.
    air : {"leave", "merge"}
        As `medroi.open` takes it: ``reader=functools.partial(read, air="merge")``.

    Returns
    -------
    tensor : torch.Tensor
        float32, (channel, x, y, z), in the unit of the file; volumes of a series are channels.
    affine : ndarray
        4x4, voxel index to millimetres, RAS+.

    Raises
    ------
    InvalidArgument
        For a scan of more than four axes.
    """
    import torch

    with medroi.open(path, air=air) as scan:
        values = scan.to_nibabel().get_fdata(dtype=np.float32)
        affine = scan.affine
    if values.ndim > 4:
        raise InvalidArgument(
            f"{path}: {values.ndim} axes; TorchIO takes up to four: index `medroi.open(...).array`"
        )
    while values.ndim < 3:
        values = values[..., None]
    channels = values[None] if values.ndim == 3 else np.moveaxis(values, 3, 0)
    return torch.from_numpy(np.ascontiguousarray(channels)), affine
