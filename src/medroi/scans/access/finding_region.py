"""The region of a store: as its writer wrote it down, or from the streams of its chunks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from medroi.roi import Box, DroppedSignal
from medroi.scans.access.kept_region import KeptRegion
from medroi.scans.stores.kept import clipped, inspected, n_kept_of, region_in_store
from medroi.scans.stores.opened import Store
from medroi.scans.stores.zarr_array import each_stream, medroi_config
from medroi.values import plain


def region_of(store: Store, names: tuple[str, ...], spacing_mm: tuple[float, ...]) -> KeptRegion:
    """Say what a store keeps of its scan.

    Parameters
    ----------
    store : Store
        Whose chunks are read only where its writer left no note.
    names : tuple of str
        Of the scan's axes.
    spacing_mm : tuple of float
        Along the first three.
    """
    array = store.in_scan_order
    config, found = medroi_config(array) or {}, region_in_store(array)
    common: dict[str, Any] = {
        "axis_names": names,
        "spacing_mm": spacing_mm,
        "polarity": config.get("polarity", "bright"),
    }
    if found is None:
        return _of_streams(store, common)
    return KeptRegion(
        roi=found.roi,
        box=found.box,
        n_voxels=math.prod(found.shape),
        # The store knows how many a mask keeps, but not the mask.
        n_kept=int((store.region or {})["n_kept"]),
        background=found.background,
        threshold=found.threshold,
        is_given=found.is_given,
        dropped=found.dropped.facts(),
        **common,
    )


def _of_streams(store: Store, common: dict[str, Any]) -> KeptRegion:
    """Add up what the chunks say, one after another."""
    n_kept, boxes, infos = 0, [], []
    array = store.in_scan_order
    for _, selection, stream in each_stream(store.path, array):
        if stream is None:
            continue
        info = inspected(array, stream)
        shape = tuple(part.stop - part.start for part in selection)
        inside = clipped(info.box, shape)
        n_here = n_kept_of(stream, info, shape)
        if n_here:
            n_kept += n_here
            boxes.append(
                [
                    (part.start + whole.start, part.stop + whole.start)
                    for part, whole in zip(inside, selection, strict=True)
                ]
            )
        infos.append(info)
    thresholds = {float(info.threshold) for info in infos}
    is_one = len(infos) == 1
    return KeptRegion(
        roi="mask" if any(info.roi == "mask" for info in infos) else "box",
        box=_around(boxes, len(store.shape)),
        n_voxels=math.prod(store.shape),
        n_kept=n_kept,
        background=plain(infos[0].background) if infos else 0,
        threshold=_only(thresholds),
        is_given=False,
        dropped=_dropped_of(infos[0]) if is_one else {},
        **common,
    )


def _dropped_of(info: Any) -> dict[str, Any]:
    group = info.largest_dropped_group
    return DroppedSignal(info.signal_level, info.n_signal, info.n_dropped_signal, group).facts()


def _around(boxes: list[Any], n_axes: int) -> Box:
    if not boxes:
        return ((0, 0),) * n_axes
    bounds = np.array(boxes)
    return tuple(
        (int(low), int(high))
        for low, high in zip(bounds[..., 0].min(0), bounds[..., 1].max(0), strict=True)
    )


def _only(values: set[float]) -> float | None:
    """The one number of all chunks; None where there is none, or more than one."""
    value = values.pop() if len(values) == 1 else math.nan
    return None if math.isnan(value) else value
