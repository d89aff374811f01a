"""Several images at every place of a volume: time points, echoes, directions, segments."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scans.dicom.diffusion import b_value, b_vector
from medroi.scans.dicom.elements import whole
from medroi.scans.dicom.frames import Frame

# What tells the volumes of a 4-D scan apart, the most telling first. The name is that of the
# details; of elements that mean the same the first one counts.
_KINDS: dict[str, tuple[str, ...]] = {
    "segment": ("ReferencedSegmentNumber",),
    "temporal_position": ("TemporalPositionIdentifier", "TemporalPositionIndex"),
    "echo_time_ms": ("EffectiveEchoTime", "EchoTime"),
    "inversion_time_ms": ("InversionTime",),
    "flip_angle": ("FlipAngle",),
    "trigger_time_ms": ("NominalCardiacTriggerDelayTime", "TriggerTime"),
    "frame_type": ("FrameType", "ImageType"),
    "acquisition": ("AcquisitionNumber",),
    "frame_reference_time_ms": ("FrameReferenceTime",),
}
# Numbers by which volumes are sorted; what else tells them apart leaves them as they were made.
_IN_ORDER = (
    "segment",
    "temporal_position",
    "echo_time_ms",
    "inversion_time_ms",
    "trigger_time_ms",
    "acquisition",
    "frame_reference_time_ms",
)
# Where none of these does, the order in which the images at one place were made or numbered.
_ORDERS = (
    "TriggerTime",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "FrameAcquisitionDateTime",
    "ContentTime",
    "InstanceNumber",
)
_N_COMBINED = 3
# Times may leave an even distance by this share of it.
_UNEVEN_TIMES = 0.05


@dataclass(frozen=True)
class Volumes:
    """The frames of a volume by volume and place.

    Attributes
    ----------
    grid : list of list of int
        ``grid[t][z]`` is the index of a frame; -1 where there is none (segmentations only).
    points : dict
        What tells the volumes apart: a list with one value a volume for each name. Empty for one.
    """

    grid: list[list[int]]
    points: dict[str, list[Any]]


def volumes_of(frames: Sequence[Frame], order: list[list[int]], *, sparse: bool) -> Volumes:
    """Sort the frames at each place into volumes.

    Parameters
    ----------
    frames : sequence of Frame
    order : list of list of int
        Indices of those at each place.
    sparse : bool
        Places may lack frames.

    Raises
    ------
    InvalidArgument
        Where volumes lack slices, or nothing says which image comes first.
    """
    counts = [len(members) for members in order]
    if max(counts) == 1 and (min(counts) == 1 or sparse) and not _is_segmentation(frames):
        return Volumes([[members[0] if members else -1 for members in order]], {})
    if not sparse:
        _check_counts(frames, order, counts)
    values = _values_of(frames)
    found = _by_values(values, order, max(counts), sparse=sparse)
    if found is None and not sparse:
        found = _by_order(frames, order, max(counts))
    if found is None:
        _refuse_copies(frames, order)
    grid, names = found
    return Volumes(grid, _points(frames, values, grid, names))


def _is_segmentation(frames: Sequence[Frame]) -> bool:
    return "ReferencedSegmentNumber" in frames[0].own


def _check_counts(frames: Sequence[Frame], order: list[list[int]], counts: list[int]) -> None:
    usual = int(np.median(counts))
    if min(counts) == max(counts):
        return
    if usual == 1:
        _refuse_copies(frames, order)
    odd = next(place for place, count in enumerate(counts) if count != usual)
    example = frames[order[odd][0]]
    raise InvalidArgument(
        f"{example.path}: {counts[odd]} images lie at its place ({odd + 1} of {len(order)}), at "
        f"most of the others there are {usual}: volumes that lack slices, or images that are here "
        "twice; get the missing files, or move those that do not belong to the series away"
    )


def _refuse_copies(frames: Sequence[Frame], order: list[list[int]]) -> NoReturn:
    n_more = sum(len(members) > 1 for members in order)
    first, second = next(members for members in order if len(members) > 1)[:2]
    raise InvalidArgument(
        f"{frames[first].path}: {frames[first].label} and {frames[second].label} lie at the same "
        f"position ({n_more} such pairs), and nothing says which comes first: copies, or images of "
        "several volumes; put each volume into a folder of its own and pack that"
    )


def _value(frame: Frame, keywords: tuple[str, ...]) -> Any:
    for keyword in keywords:
        # A damaged element tells nothing apart.
        with contextlib.suppress(Exception):
            value = frame.get(keyword)
            if value not in (None, ""):
                return _comparable(value)
    return None


def _comparable(value: Any) -> Any:
    if isinstance(value, str | bytes | int | float):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            return str(value)
        return found if math.isfinite(found) else str(value)
    if hasattr(value, "__iter__"):
        return tuple(str(item) for item in value)
    return str(value)


def _values_of(frames: Sequence[Frame]) -> dict[str, list[Any]]:
    """All that may tell volumes apart, by its name: a list with the value of each frame."""
    values = {
        name: [_value(frame, keywords) for frame in frames] for name, keywords in _KINDS.items()
    }
    values["b_value"] = [b_value(frame) for frame in frames]
    values["b_vector"] = [b_vector(frame) for frame in frames]
    return values


def _by_values(
    values: dict[str, list[Any]], order: list[list[int]], n_volumes: int, *, sparse: bool
) -> tuple[list[list[int]], tuple[str, ...]] | None:
    """Use the values of which each place has each one once, and no more of them than needed."""
    n_frames = sum(len(members) for members in order)
    varying = [name for name, found in values.items() if len(set(found)) > 1 or name == "segment"]
    varying = [name for name in varying if None not in values[name] or name == "b_vector"]
    for n_combined in range(1, _N_COMBINED + 1):
        for names in itertools.combinations(varying, n_combined):
            keys = list(zip(*(values[name] for name in names), strict=True))
            distinct = list(dict.fromkeys(keys))
            if len(distinct) != n_volumes and not (sparse and len(distinct) >= n_volumes):
                continue
            if set(names) <= set(_IN_ORDER):
                distinct.sort(key=_sortable)
            grid = [[-1] * len(order) for _ in distinct]
            number_of = {key: index for index, key in enumerate(distinct)}
            for place, members in enumerate(order):
                for index in members:
                    grid[number_of[keys[index]]][place] = index
            n_placed = sum(index >= 0 for volume in grid for index in volume)
            if n_placed == n_frames:
                return grid, names
    return None


def _sortable(key: tuple[Any, ...]) -> list[tuple[bool, bool, Any]]:
    return [
        (item is not None, isinstance(item, str | tuple), item if item is not None else 0)
        for item in key
    ]


def _by_order(
    frames: Sequence[Frame], order: list[list[int]], n_volumes: int
) -> tuple[list[list[int]], tuple[str, ...]] | None:
    """Sort what lies at each place by when it was made; times differ from place to place."""
    for keyword in _ORDERS:
        keys = [_value(frame, (keyword,)) for frame in frames]
        if None in keys or len({type(key) for key in keys}) > 1:
            continue
        if any(len({keys[index] for index in members}) < n_volumes for members in order):
            continue
        ranked = [sorted(members, key=lambda index: keys[index]) for members in order]
        return [list(volume) for volume in zip(*ranked, strict=True)], (keyword,)
    files = {frame.path for frame in frames}
    if len(files) == 1:
        # The frames of one file are in an order of their own.
        return [list(volume) for volume in zip(*order, strict=True)], ()
    return None


def _points(
    frames: Sequence[Frame],
    values: dict[str, list[Any]],
    grid: list[list[int]],
    names: tuple[str, ...],
) -> dict[str, list[Any]]:
    """For each volume what sets it apart from the others, and all else that varies with it."""
    points: dict[str, list[Any]] = {}
    for name, of_frame in values.items():
        columns = [{of_frame[index] for index in volume if index >= 0} for volume in grid]
        if any(len(column) != 1 for column in columns):
            continue
        found = [next(iter(column)) for column in columns]
        if name in names or (len(set(found)) > 1 and set(found) != {None}):
            points[name] = [_plain(item) for item in found]
    for keyword in ("AcquisitionTime", "ContentTime"):
        firsts = [_clock(frames[next(i for i in volume if i >= 0)].get(keyword)) for volume in grid]
        seconds = [second for second in firsts if second is not None]
        if len(seconds) == len(grid) and len(set(seconds)) == len(grid):
            points["time_s"] = [round(second - seconds[0], 6) for second in seconds]
            break
    if not points or (names and names[0] in _ORDERS):
        points["order"] = list(range(1, len(grid) + 1))
    return points


def time_step_s(frame: Frame, points: dict[str, list[Any]]) -> float | None:
    """Time from one volume to the next in seconds; None where it varies, or nothing says it."""
    times = points.get("time_s")
    if times is None and "trigger_time_ms" in points:
        times = [value / 1000 for value in points["trigger_time_ms"]]
    if times is not None:
        steps = np.diff(np.asarray(times, np.float64))
        is_even = steps.min() > 0 and steps.max() - steps.min() <= _UNEVEN_TIMES * steps.max()
        return round(float(steps.mean()), 6) if is_even else None
    # A cine says it of its frames, and the slices of a mosaic are made within one repetition.
    keyword = "RepetitionTime" if "SliceTime_ms" in frame.own else "FrameTime"
    found = _value(frame, (keyword,))
    return found / 1000 if isinstance(found, float) and found > 0 else None


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _clock(value: Any) -> float | None:
    """Seconds since midnight of a DICOM time, HHMMSS.FFFFFF."""
    text = str(value or "")
    hours, minutes = whole(text[:2]), whole(text[2:4] or 0)
    try:
        seconds = float(text[4:] or 0)
    except ValueError:
        return None
    return None if hours is None or minutes is None else hours * 3600 + minutes * 60 + seconds
