"""Whether slices are missing at the ends of a series, where positions cannot show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medroi.scans.dicom.elements import whole
from medroi.scans.dicom.frames import Frame

# Elements that say how many images there are: of the volume, or of all volumes of an acquisition.
_COUNTS_OF_VOLUME = ("NumberOfSlices", "NumberOfSeriesRelatedInstances")
_COUNT_OF_ALL_VOLUMES = "ImagesInAcquisition"


def missing_at_ends(
    frames: Sequence[Frame], *, n_volumes: int, n_in_series: int
) -> tuple[str, str]:
    """Find what speaks against a series being whole.

    Parameters
    ----------
    frames : sequence of Frame
        Those of the first of the volumes, sorted by position.
    n_volumes : int
        How many volumes of as many images there are.
    n_in_series : int
        Images of the series that are here, in this volume or another.

    Returns
    -------
    missing, note : str
        Why slices must be missing, and what else a user should know; empty where there is nothing.
        A single image is a series of its own.
    """
    n_here = max(n_in_series, len(frames) * n_volumes)
    if n_here < 2:
        return "", ""
    for keyword in (*_COUNTS_OF_VOLUME, _COUNT_OF_ALL_VOLUMES):
        declared = max(whole(frame.get(keyword)) or 0 for frame in frames)
        is_one_of_several = keyword == _COUNT_OF_ALL_VOLUMES and declared % n_here == 0
        n_images = len(frames) if keyword == _COUNTS_OF_VOLUME[0] else n_here
        if declared > n_images and not is_one_of_several:
            return f"{keyword} is {declared}, here are {n_images} images", ""
    n_times = max(whole(frame.get("NumberOfTemporalPositions")) or 0 for frame in frames)
    if n_volumes > 1 or n_here > len(frames):
        if n_times > n_volumes:
            return "", f"{n_volumes} of {n_times} time points are here"
        return "", ""
    missing, note = _gaps_in_numbers(frames)
    if n_times > 1 and not missing:
        note = f"the images are one volume of {n_times} time points; the others are not here"
    return missing, note


def _gaps_in_numbers(frames: Sequence[Frame]) -> tuple[str, str]:
    found = [whole(frame.get("InstanceNumber")) for frame in frames]
    numbers = [number for number in found if number is not None]
    # Numbers that are left out or given twice say nothing.
    if len(numbers) < len(found) or len(set(numbers)) < len(numbers):
        return "", ""
    in_order = np.sort(np.asarray(numbers, dtype=np.int64))
    steps = np.diff(in_order)
    step, first, last = int(steps.min()), int(in_order[0]), int(in_order[-1])
    which = f"InstanceNumber runs from {first} to {last}"
    jumps = np.flatnonzero(steps != step)
    follows_position = abs(int(np.sign(np.diff(numbers)).sum())) == len(steps)
    # Where the numbers follow the positions, these show that nothing is missing in between.
    if len(jumps) and not follows_position:
        return f"{which}, and {in_order[jumps[0]] + step} is not among them", ""
    if first <= step:
        return "", ""
    if (first - 1) % len(frames) == 0:
        return "", f"{which}: one of the volumes of a series; those before it are not here"
    return f"{which}: {first - 1} images before it are not here", ""
