"""What did not come back, by the definitions at the top of `loss.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from loss_scans import Array, Scan
from loss_stores import Stored, padded
from scipy import ndimage

import medroi
from medroi import MedROI

MAX_MISS_RATE = 0.002
LARGE_GROUP = 8
MAX_LABELS = 64
MIN_AIR_SHARE = 0.9
FIGURES = (
    *("voxels", "non_background", "dropped", "brightest_dropped", "bright", "bright_dropped"),
    *("bright_dropped_stated", "signal", "signal_dropped", "signal_dropped_stated"),
    *("group_voxels", "group_mm3", "group_place", "groups_above_8"),
    *("labels_lost", "nan_lost", "silent"),
)


@dataclass
class Stated:
    """What the streams say, put together: masks of the array's shape, and numbers.

    `places` are those within which groups of signal are followed: chunks, or the whole scan where
    their region is that of the scan. `leveled` marks those whose signal level is stated.
    """

    bright: Array
    signal: Array
    non_background: Array
    exact: Array
    places: list[tuple[slice, ...]]
    leveled: Array
    n_stated: float = 0.0
    n_stated_signal: int = 0


def bits_of(voxels: Array) -> Array:
    """The elements as whole numbers, so that NaN and -0 are distinct as they are stored."""
    return voxels.view(f"u{voxels.dtype.itemsize}")


def stated_by(scan: Scan, stored: Stored, chunks: tuple[int, ...], *, dark: bool = False) -> Stated:
    """What streams promise; chunks without a stream hold their fill value, and promise it."""
    shape = scan.voxels.shape
    fill = np.asarray(scan.fill_value).astype(scan.voxels.dtype)
    differs = bits_of(scan.voxels) != bits_of(fill)
    stated = Stated(
        differs.copy(), differs.copy(), differs, np.ones(shape, bool), [], np.zeros(shape, bool)
    )
    for corner, stream in stored.streams.items():
        place = tuple(
            slice(c, min(c + size, n)) for c, size, n in zip(corner, chunks, shape, strict=True)
        )
        inside = tuple(slice(0, s.stop - s.start) for s in place)
        info = medroi.inspect(stream)
        fill_value = info.background if stored.by_background else scan.fill_value
        chunk = padded(scan, place, chunks, fill_value)
        background = np.asarray(info.background).astype(chunk.dtype)
        non_background = bits_of(chunk) != bits_of(background)
        bright = non_background & reaches(chunk, info.threshold, dark)
        signal = non_background & reaches(chunk, level_of(info, chunk, scan, dark), dark)
        stated.non_background[place] = non_background[inside]
        stated.bright[place] = bright[inside]
        stated.signal[place] = signal[inside]
        stated.exact[place] = math.isnan(info.threshold)
        stated.n_stated += info.miss_rate * np.count_nonzero(bright)
        stated.n_stated_signal += info.n_dropped_signal
        stated.leveled[place] = not math.isnan(info.signal_level)
        stated.places.append(place)
    if stored.region is not None:
        level = stored.region["signal_level"]
        beyond = reaches(scan.voxels, math.nan if level is None else level, dark)
        stated.signal = stated.non_background & beyond
        stated.n_stated_signal = stored.region["n_dropped_signal"]
        stated.places = [(slice(None),) * len(shape)]
        stated.leveled[:] = True
    return stated


def level_of(info: Any, chunk: Array, scan: Scan, dark: bool) -> float:
    """The signal level of a stream; one that drops no signal does not hold it.

    That of a fit is taken then, which looks at other air, and is near it alone. A mask that is its
    own box does not show which was asked for: the level is that of both.
    """
    if not math.isnan(info.signal_level) or math.isnan(info.threshold):
        return float(info.signal_level)
    axes = {"axes": scan.axes} if chunk.ndim > 3 else {}
    options = {"background": info.background, "polarity": "dark" if dark else "bright", **axes}
    levels = [
        MedROI.fit(chunk, threshold="noise", roi=roi, **options).region.dropped.level
        for roi in ("box", "mask")
    ]
    beyond = min if dark else max
    return float(beyond(level for level in (info.threshold, *levels) if not math.isnan(level)))


def reaches(voxels: Array, level: float, dark: bool) -> Array:
    """What lies at a level or beyond; everything without one."""
    if math.isnan(level):
        return np.ones(voxels.shape, bool)
    return voxels <= level if dark else voxels >= level


def is_label_map(voxels: Array) -> bool:
    """Whole numbers around which all is one value; few of them, or mostly equal neighbours."""
    if voxels.dtype.kind not in "biu" or air_share(voxels) < MIN_AIR_SHARE:
        return False
    if np.unique(voxels).size <= MAX_LABELS:
        return True
    used = (voxels[1:] != 0) & (voxels[:-1] != 0)
    equal = used & (voxels[1:] == voxels[:-1])
    return bool(np.count_nonzero(equal) > np.count_nonzero(used) / 2)


def air_share(voxels: Array) -> float:
    """Share of the most frequent value at the faces of the volume."""
    faces = [
        voxels[(slice(None),) * axis + (end,)]
        for axis in range(min(3, voxels.ndim))
        for end in (0, -1)
    ]
    border = np.concatenate([face.ravel() for face in faces])
    return float(np.unique(border, return_counts=True)[1].max() / border.size)


def groups_of(mask: Array, n_axes: int) -> tuple[int, int, tuple[int, ...] | None]:
    """Voxels of the largest group of 26 neighbours, groups above 8, and where the largest lies."""
    if not mask.any():
        return 0, 0, None
    # Volumes of a series do not touch each other.
    joined = np.zeros((3,) * mask.ndim, bool)
    joined[(slice(None),) * n_axes + (1,) * (mask.ndim - n_axes)] = True
    labels, _ = ndimage.label(mask, joined)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    first = np.unravel_index(int(np.argmax(labels == largest)), mask.shape)
    return int(sizes[largest]), int((sizes > LARGE_GROUP).sum()), tuple(int(i) for i in first)


def groups_in(
    mask: Array, places: list[tuple[slice, ...]], n_axes: int
) -> tuple[int, int, tuple[int, ...] | None]:
    """The same over several places, in each of which groups are followed alone."""
    size, n_large, first = 0, 0, None
    for place in places:
        largest, n_above, start = groups_of(mask[place], n_axes)
        n_large += n_above
        if start is not None and largest > size:
            size = largest
            first = tuple((s.start or 0) + i for s, i in zip(place, start, strict=True))
    return size, n_large, first


def figures(
    scan: Scan,
    stored: Stored,
    chunks: tuple[int, ...],
    *,
    lossless: bool = False,
    once: Array | None = None,
) -> dict[str, Any]:
    """One row: what was dropped, and which loss is silent.

    Parameters
    ----------
    scan : Scan
        What was written.
    stored : Stored
        What came back.
    chunks : tuple of int
    lossless : bool
        Whether every voxel was promised.
    once : ndarray, optional
        What came back of the same array written in one go.
    """
    stated = stated_by(scan, stored, chunks)
    voxels, decoded = scan.voxels, stored.decoded
    dropped = bits_of(voxels) != bits_of(decoded)
    bright_dropped = dropped & stated.bright
    n_bright, n_dropped = np.count_nonzero(stated.bright), np.count_nonzero(bright_dropped)
    signal_dropped = dropped & stated.signal
    size, n_large, first = groups_in(signal_dropped, stated.places, len(scan.axes))
    n_signal, n_lost = np.count_nonzero(stated.signal), np.count_nonzero(signal_dropped)
    brightest = voxels[dropped & (voxels == voxels)]
    nan_lost = np.count_nonzero((voxels != voxels) & (decoded == decoded))
    lost = []
    if dropped.any() and is_label_map(voxels):
        lost = sorted(set(np.unique(voxels)) - set(np.unique(decoded)))
    reasons = {
        "exactness was promised": np.any(dropped & stated.exact) or (lossless and dropped.any()),
        "more than max_miss_rate": n_lost > MAX_MISS_RATE * n_signal,
        "a group above 8": n_large > 0,
        "not what the stream says": abs(stated.n_stated - n_dropped) > 0.5
        or stated.n_stated_signal != np.count_nonzero(signal_dropped & stated.leveled),
        "not as written at once": once is not None and np.any(bits_of(once) != bits_of(decoded)),
        "a label is gone": bool(lost),
        "NaN is gone": bool(nan_lost),
    }
    return {
        "voxels": voxels.size,
        "non_background": np.count_nonzero(stated.non_background),
        "dropped": np.count_nonzero(dropped),
        "brightest_dropped": brightest.max() if brightest.size else "",
        "bright": n_bright,
        "bright_dropped": n_dropped,
        "bright_dropped_stated": round(stated.n_stated),
        "signal": n_signal,
        "signal_dropped": n_lost,
        "signal_dropped_stated": stated.n_stated_signal,
        "group_voxels": size,
        "group_mm3": "" if scan.voxel_mm3 is None else round(size * scan.voxel_mm3, 3),
        "group_place": "" if first is None else " ".join(map(str, first)),
        "groups_above_8": n_large,
        "labels_lost": " ".join(map(str, lost)),
        "nan_lost": nan_lost,
        "silent": "; ".join(reason for reason, found in reasons.items() if found),
    }
