"""The voxels of a Zarr group or a zip file, under the names of a Zarr array, axes as in the scan.

OME-Zarr has the axes ``(t,) z, y, x``, a scan ``x, y, z(, t)``: the one is the other transposed.
What reads a scan from a store sees it this way round, whatever is stored.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.stores.files import Files


class ScanArray:
    """An array of a group or a zip file, its axes in the order of the scan.

    Parameters
    ----------
    stored : zarr.Array
        As it is stored.
    files : Folder or Zipped
        Of the whole store.
    key : str
        Of the array in the store, with a slash behind it; empty for a store that is the array.
    attributes : dict
        Of the store.
    axes_reversed : bool
        Whether the stored axes are those of the scan in reverse order.
    """

    def __init__(
        self,
        stored: Any,
        files: Files,
        key: str,
        attributes: dict[str, Any],
        *,
        axes_reversed: bool,
    ) -> None:
        self.stored, self.files, self.key = stored, files, key
        self.axes_reversed = axes_reversed
        self.shape: tuple[int, ...] = self.turned(tuple(stored.shape))
        self.chunks: tuple[int, ...] = self.turned(tuple(stored.chunks))
        self.shards = None if stored.shards is None else self.turned(tuple(stored.shards))
        self.cdata_shape = tuple(
            -(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)
        )
        self.nchunks = math.prod(self.cdata_shape)
        self.ndim, self.dtype = len(self.shape), np.dtype(stored.dtype)
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize
        self.fill_value, self.metadata = stored.fill_value, stored.metadata
        self.attrs = dict(attributes)
        region = dict(stored.attrs).get(REGION)
        if region is not None:
            self.attrs[REGION] = turned_region(region) if axes_reversed else region

    def turned(self, sizes: tuple[Any, ...]) -> tuple[Any, ...]:
        """One item per stored axis in the order of the scan's axes, or the other way round."""
        return sizes[::-1] if self.axes_reversed else sizes

    def __getitem__(self, selection: Any) -> npt.NDArray[Any]:
        if self.axes_reversed:
            selection = turned_items(selection, self.ndim)
        found = np.asarray(self.stored[selection])
        return found.T if self.axes_reversed else found


def turned_items(selection: Any, ndim: int) -> tuple[Any, ...]:
    """Turn a selection by slices and ints into that of the same array with its axes in reverse."""
    items = selection if isinstance(selection, tuple) else (selection,)
    if Ellipsis in items:
        at = items.index(Ellipsis)
        filling = (slice(None),) * (ndim - len(items) + 1)
        items = (*items[:at], *filling, *items[at + 1 :])
    items += (slice(None),) * (ndim - len(items))
    return items[::-1]


def turned_region(facts: Any) -> Any:
    """Turn the facts of a `ScanRegion` the axes in reverse order; damaged ones stay as they are."""
    try:
        last = len(facts["box"]) - 1
        group = facts["largest_dropped_group"]
        return {
            **facts,
            "box": facts["box"][::-1],
            "axes": sorted(last - axis for axis in facts["axes"]),
            "largest_dropped_group": None
            if group is None
            else {**group, "box": group["box"][::-1]},
            "left_out": [{**piece, "box": piece["box"][::-1]} for piece in facts["left_out"]],
        }
    except (KeyError, TypeError):
        return facts


def turned_config(config: dict[str, Any], ndim: int) -> dict[str, Any]:
    """The configuration of a codec for the same array with its axes in reverse order."""
    turned = dict(config)
    n_columns = min(ndim, 3)
    if config.get("affine") is not None:
        turned["affine"] = [[*row[:n_columns][::-1], *row[n_columns:]] for row in config["affine"]]
    if config.get("slice_axis") is not None:
        turned["slice_axis"] = ndim - 1 - config["slice_axis"] % ndim
    if config.get("axes") is not None:
        turned["axes"] = sorted(ndim - 1 - axis % ndim for axis in config["axes"])
    return turned
