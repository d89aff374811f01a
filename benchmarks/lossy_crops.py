"""Crops of scans for lossy coders, the voxels of them that count, and what lies around these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from coders import load
from head_mask import reference_mask
from scan_sets import LEAST_VALUES, sets_of
from scipy import ndimage

_CONSTANT_SHARE = 0.5  # of one value: then that is the air, and all else counts
_BLURS = 3
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Crop:
    """Voxels in coding order (slowest axis first), and those of them that count."""

    data_set: str
    name: str
    voxels: Array
    kept: Array
    background: float

    @property
    def is_whole(self) -> bool:
        """Whether values are integers."""
        return bool(self.voxels.dtype.kind != "f")

    def psnr(self, decoded: Array) -> float:
        """dB over the voxels that count, against their range, of values clipped and rounded."""
        true = self.voxels[self.kept].astype(np.float64)
        found = decoded.reshape(self.voxels.shape)[self.kept].astype(np.float64)
        found = np.clip(np.rint(found) if self.is_whole else found, true.min(), true.max())
        square = max(float(np.mean((true - found) ** 2)), 1e-300)
        return float(10 * np.log10(np.ptp(true) ** 2 / square))

    def surroundings(self) -> dict[str, Array]:
        """The voxels with what lies around those that count: of one value, or smooth."""
        air = self.voxels.dtype.type(self.background)
        found = {"cleared": np.where(self.kept, self.voxels, air)}
        if not self.kept.all():
            found["smooth"] = smooth(self.voxels, self.kept)
        return found


def smooth(voxels: Array, kept: Array) -> Array:
    """What does not count continues what does: coarse means where nothing is near, blurred."""
    weight = kept.astype(np.float32)
    levels = [(voxels.astype(np.float32) * weight, weight)]
    while max(levels[-1][0].shape) > 1:
        levels.append(halved(*levels[-1]))
    found = mean_of(*levels[-1])
    for total, weight in levels[-2::-1]:
        known, means = weight > 0, mean_of(total, weight)
        found = np.where(known, means, doubled(found, total.shape))
        for _ in range(_BLURS):
            found = np.where(known, means, ndimage.uniform_filter(found, 3, mode="nearest"))
    found = np.rint(found) if voxels.dtype.kind != "f" else found
    return np.where(kept, voxels, found.astype(voxels.dtype))


def mean_of(total: Array, weight: Array) -> Array:
    """Zero where nothing weighs."""
    return np.asarray(total / np.maximum(weight, 1e-9))


def halved(total: Array, weight: Array) -> tuple[Array, Array]:
    """Sums of pairs along every axis."""
    for axis, n in enumerate(total.shape):
        starts = np.arange(0, n, 2)
        total, weight = (np.add.reduceat(array, starts, axis) for array in (total, weight))
    return total, weight


def doubled(array: Array, shape: tuple[int, ...]) -> Array:
    """Linear interpolation between the middles of pairs."""
    for axis, n in enumerate(shape):
        if n > 1:
            near = np.arange(n) // 2
            far = np.clip(near + np.where(np.arange(n) % 2, 1, -1), 0, array.shape[axis] - 1)
            array = 0.75 * np.take(array, near, axis) + 0.25 * np.take(array, far, axis)
    return array


def counted(scan: Array) -> tuple[Array, float]:
    """Voxels that count, and the value of the air.

    Where most voxels have one value, as in skull-stripped scans, all others count; else the body
    as `head_mask.py` finds it, of a series in the mean of its volumes.
    """
    values, counts = np.unique(scan, return_counts=True)
    most = counts.argmax()
    if counts[most] > _CONSTANT_SHARE * scan.size:
        return scan != values[most], float(values[most])
    volume = scan.mean(axis=0) if scan.ndim > 3 else scan
    kept = np.broadcast_to(reference_mask(volume), scan.shape).copy()
    around = scan[~kept]
    air = np.median(around) if around.size else scan.min()
    return kept, float(np.rint(air))


def cut(data_set: str, name: str, scan: Array, most: float) -> Crop:
    """The bounding box of the voxels that count, of that the middle slices."""
    kept, air = counted(scan)
    box = ndimage.find_objects(kept.astype(np.uint8))[0]
    size = [side.stop - side.start for side in box]
    n = min(size[0], max(1, int(most / (np.prod(size) / size[0]))))
    first = box[0].start + (size[0] - n) // 2
    box = (slice(first, first + n), *box[1:])
    return Crop(data_set, name, np.ascontiguousarray(scan[box]), kept[box].copy(), air)


def crops(folder: Path, per_set: int, most: float) -> Iterator[Crop]:
    """The first scans of each data set that are no label maps, in turn."""
    sets = [sorted(data_set.glob("*.nii*")) for data_set in sets_of(folder)]
    found = [0] * len(sets)
    for turn in range(max(map(len, sets))):
        for i, paths in enumerate(sets):
            if turn >= len(paths) or found[i] >= per_set:
                continue
            scan = load(paths[turn])
            if len(np.unique(scan)) >= LEAST_VALUES:
                found[i] += 1
                yield cut(paths[turn].parent.name, paths[turn].name.split(".")[0], scan, most)
