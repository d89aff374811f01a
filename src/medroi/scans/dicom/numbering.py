"""Whether slices are missing at the ends of a series, where positions cannot show it."""

from __future__ import annotations

from typing import Any

import numpy as np

# Elements that say how many images there are: of the volume, or of all volumes of an acquisition.
_COUNTS_OF_VOLUME = ("NumberOfSlices", "NumberOfSeriesRelatedInstances")
_COUNT_OF_ALL_VOLUMES = "ImagesInAcquisition"


def missing_at_ends(datasets: tuple[Any, ...]) -> tuple[str, str]:
    """Find what speaks against a series being whole.

    Parameters
    ----------
    datasets : tuple of Dataset
        The images, sorted by position, evenly spaced.

    Returns
    -------
    missing, note : str
        Why slices must be missing, and what else a user should know; empty where there is nothing.
        A single image is a series of its own.
    """
    n_images = len(datasets)
    if n_images < 2:
        return "", ""
    for keyword in (*_COUNTS_OF_VOLUME, _COUNT_OF_ALL_VOLUMES):
        declared = max(_whole(dataset.get(keyword)) or 0 for dataset in datasets)
        is_one_of_several = keyword == _COUNT_OF_ALL_VOLUMES and declared % n_images == 0
        if declared > n_images and not is_one_of_several:
            return f"{keyword} is {declared}, here are {n_images} images", ""
    missing, note = _gaps_in_numbers(datasets)
    n_times = max(_whole(dataset.get("NumberOfTemporalPositions")) or 0 for dataset in datasets)
    if n_times > 1 and not missing:
        note = f"the images are one volume of {n_times} time points; the others are not here"
    return missing, note


def _gaps_in_numbers(datasets: tuple[Any, ...]) -> tuple[str, str]:
    found = [_whole(dataset.get("InstanceNumber")) for dataset in datasets]
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
    if (first - 1) % len(datasets) == 0:
        return "", f"{which}: one of the volumes of a series; those before it are not here"
    return f"{which}: {first - 1} images before it are not here", ""


def _whole(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < 1 << 31 else None
