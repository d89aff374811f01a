"""Add what one chunk keeps and drops to the numbers and masks of a preview."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi.codec import LeftOut
from medroi.roi import DroppedGroup
from medroi.scan_region import ScanRegion
from medroi.scans.chunking import Selection
from medroi.scans.dropped import N_LEFT_OUT
from medroi.scans.pictures.measures import OTHER_REGION
from medroi.scans.pictures.preview import Mask, Preview, Shown
from medroi.scans.stores.kept import clipped, kept_of

_BRIGHT_PERCENTILE = 99.0


def add_stream(
    found: Preview,
    stream: bytes,
    info: medroi.StreamInfo,
    selection: Selection,
    crops: ScanRegion | None = None,
) -> Mask:
    """Count one chunk's region and return its mask over the part that lies in the array.

    `info` is what `inspected` says about the stream; `crops` is the region of which the chunk is a
    crop, None where its stream has its own.
    """
    shape = tuple(part.stop - part.start for part in selection)
    inside = clipped(info.box, shape)
    kept = kept_of(stream, info, crops, selection)
    place(found.shown, found.shown.kept, kept, selection)
    found.n_chunks += 1
    found.n_kept += int(np.count_nonzero(kept))
    found.n_in_boxes += math.prod(cut.stop - cut.start for cut in inside)
    found.streams_nbytes += len(stream)
    found.promised_miss_rate = max(found.promised_miss_rate, info.miss_rate)
    found.n_dropped_signal += info.n_dropped_signal
    found.n_signal += info.n_signal
    if found.signal_level is None and not math.isnan(info.signal_level):
        found.signal_level = info.signal_level
    found.dropped_groups += _group_of(info, selection)
    found.n_left_out += info.n_left_out
    found.n_left_out_voxels += info.n_left_out_voxels
    found.left_out = _largest(found.left_out, info.left_out, selection)
    if crops is None and kept.any():
        here = tuple(
            (part.start + cut.start, part.start + cut.stop)
            for part, cut in zip(selection, inside, strict=True)
        )
        so_far = found.box or here
        found.box = tuple(
            (min(a, c), max(b, d)) for (a, b), (c, d) in zip(so_far, here, strict=True)
        )
    return kept


def _group_of(info: Any, selection: Selection) -> tuple[DroppedGroup, ...]:
    """The largest group of signal that a chunk drops, moved to where the chunk lies."""
    group = info.largest_dropped_group
    if group is None:
        return ()
    box = tuple(
        (part.start + start, part.start + stop)
        for (start, stop), part in zip(group.box, selection, strict=True)
    )
    return (dataclasses.replace(group, box=box),)


def _largest(
    so_far: tuple[LeftOut, ...], more: Sequence[LeftOut], selection: Selection
) -> tuple[LeftOut, ...]:
    """The largest of the pieces left out, those of a chunk moved to where it lies."""
    moved = [
        LeftOut(
            piece.n_voxels,
            tuple(
                (part.start + start, part.start + stop)
                for (start, stop), part in zip(piece.box, selection, strict=True)
            ),
        )
        for piece in more
    ]
    largest = sorted([*so_far, *moved], key=lambda piece: -piece.n_voxels)
    return tuple(largest[:N_LEFT_OUT])


def add_region(found: Preview, crops: ScanRegion) -> None:
    """Say what the region of the whole scan holds and left out: streams have boxes of their own."""
    dropped = crops.dropped
    found.box = crops.box if found.n_kept else None
    found.n_in_boxes = math.prod(stop - start for start, stop in crops.box)
    found.signal_level = None if math.isnan(dropped.level) else dropped.level
    found.n_signal, found.n_dropped_signal = dropped.n_signal, dropped.n_dropped
    found.dropped_groups = () if dropped.largest is None else (dropped.largest,)
    found.n_left_out, found.n_left_out_voxels = crops.n_left_out, crops.n_left_out_voxels
    found.left_out = tuple(LeftOut(*piece) for piece in crops.left_out[:N_LEFT_OUT])


def place(shown: Shown, mask: Mask, of_chunk: Mask, selection: Selection) -> None:
    """Copy a chunk's mask into the one of the volume that is shown, if the chunk meets it."""
    source: list[int | slice] = []
    for axis, part in enumerate(selection):
        if axis in shown.axes:
            source.append(slice(None))
        elif part.start <= shown.index[axis] < part.stop:
            source.append(shown.index[axis] - part.start)
        else:
            return
    mask[tuple(selection[axis] for axis in shown.axes)] = of_chunk[tuple(source)]


def add_dropped(
    found: Preview, original: npt.NDArray[Any], kept: Mask, selection: Selection
) -> None:
    """Find the dropped voxel that is furthest from the air."""
    dropped = np.flatnonzero(~kept & np.isfinite(original))
    if dropped.size:
        values = original.ravel()[dropped]
        dark = found.settings["polarity"] == "dark"
        place = int(values.argmin() if dark else values.argmax())
        here, so_far = float(values[place]), found.extreme_dropped
        if so_far is None or (here < so_far if dark else here > so_far):
            inside = np.unravel_index(dropped[place], original.shape)
            at = (int(i) + part.start for i, part in zip(inside, selection, strict=True))
            found.extreme_dropped, found.extreme_dropped_at = here, tuple(at)


def add_other(found: Preview, kept: Mask) -> None:
    """Add what the other kind of region would keep of the whole array."""
    shown = found.shown
    part = tuple(slice(None) if i in shown.axes else at for i, at in enumerate(shown.index))
    found.other_roi = OTHER_REGION[found.settings["roi"]]
    found.n_kept_by_other = int(np.count_nonzero(kept))
    found.shown = dataclasses.replace(shown, other=kept[part])


def add_bright_tissue(found: Preview) -> None:
    """Find out how bright tissue is in the volume that is shown."""
    tissue = found.shown.voxels[found.shown.tissue]
    tissue = tissue[np.isfinite(tissue) & (tissue != found.shown.corner_value)]
    if tissue.size:
        dark = found.settings["polarity"] == "dark"
        share = 100 - _BRIGHT_PERCENTILE if dark else _BRIGHT_PERCENTILE
        found.bright_tissue = float(np.percentile(tissue, share))
