"""The voxels by which every method and region of a scan is judged, and what regions drop of them.

They are found from the values alone: no opening, closing or component rule decides them, for what
such a rule takes away is exactly what a region found with it cannot be blamed for.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi import arrays, roi
from medroi.scans.scan import require
from medroi.scans.stores.kept import kept_mask

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Region:
    """A region of one scan, and what it drops.

    Attributes
    ----------
    config : mapping
        Parameters of `MedROI` but the inner codec, the numbers of the scan in them.
    kept : ndarray of bool
        The voxels kept.
    n_signal, n_missed : int
        Signal voxels of the scan, and those of them that are not kept.
    brightest_dropped : float or None
        The brightest voxel that is not kept and does not come back as it was, signal or not; of
        dark polarity the darkest. None where everything comes back.
    n_largest_missed : int
        Voxels of the largest connected group (26 neighbours along the volume's axes) of the signal
        voxels that are not kept.
    """

    config: Mapping[str, Any]
    kept: Mask = dataclasses.field(compare=False)
    n_signal: int
    n_missed: int
    brightest_dropped: float | None
    n_largest_missed: int = 0

    @functools.cached_property
    def n_voxels(self) -> int:
        """Number of the voxels kept."""
        return int(np.count_nonzero(self.kept))

    @property
    def miss_rate(self) -> float:
        """Share of the signal voxels that are not kept."""
        return self.n_missed / max(1, self.n_signal)

    def codec(self, inner: Any) -> medroi.MedROI:
        """The codec with this region and an inner codec."""
        return medroi.MedROI(inner, **self.config)


def signal_of(
    voxels: Array, options: roi.RegionOptions, by_default: Iterable[float | None]
) -> Mask:
    """The signal voxels of a scan: all that differ from the background and reach the threshold.

    The threshold is the lowest (dark polarity: the highest) of those that the scan gets by default,
    for a box and for a mask, and that which the noise of its air gives. Where the default keeps
    every voxel that differs from the background, in a box and in a mask, there is none. NaN that is
    not the background is signal.

    Parameters
    ----------
    voxels : ndarray
        C or F contiguous.
    options : RegionOptions
        Background, polarity and axes; nothing else is asked.
    by_default : iterable of float or None
        Thresholds that `MedROI.fit` gives a box and a mask of the scan; None where it keeps all.
    """
    signal = roi.differs(voxels, roi.background_bits(voxels, options))
    # A box that reaches every face keeps all, and says nothing about the air in its corners.
    thresholds = [threshold for threshold in by_default if threshold is not None]
    if not thresholds:
        return signal
    of_noise = roi.find_region(
        voxels,
        threshold="noise",
        background=options.background,
        polarity=options.polarity,
        axes=options.axes,
    ).threshold
    if not math.isnan(of_noise):
        thresholds.append(of_noise)
    # Written so that NaN, which is neither above nor below, stays in.
    if options.polarity == "dark":
        return np.asarray(signal & ~(voxels > max(thresholds)))
    return np.asarray(signal & ~(voxels < min(thresholds)))


def region_of(voxels: Array, config: Mapping[str, Any], signal: Mask) -> Region:
    """Find a region and count what it drops.

    Parameters
    ----------
    voxels : ndarray
    config : mapping
        As in `Region`.
    signal : ndarray of bool
        As `signal_of` gives them.
    """
    codec = medroi.MedROI("raw", **config)
    coded = codec.encode(voxels)
    kept = kept_mask(coded, medroi.inspect(coded))
    missed = signal & ~kept
    changed = roi.differs(voxels, roi.background_bits(voxels, _options(config))) & ~kept
    return Region(
        config,
        kept,
        int(np.count_nonzero(signal)),
        int(np.count_nonzero(missed)),
        _brightest(voxels[changed], dark=config["polarity"] == "dark"),
        largest_group(missed, config["axes"]),
    )


def largest_group(mask: Mask, axes: Sequence[int] | None) -> int:
    """Count the voxels of the largest connected group of a mask.

    Neighbours share a side, an edge or a corner along the volume's axes; volumes along other axes
    are apart.
    """
    if not mask.any():
        return 0
    ndimage = require("scipy.ndimage", "the largest dropped group", "compare")
    volume = arrays.normalize_axes(None if axes is None else tuple(axes), mask.ndim)
    near = np.zeros((3,) * mask.ndim, bool)
    near[tuple(slice(None) if axis in volume else slice(1, 2) for axis in range(mask.ndim))] = True
    labels, _ = ndimage.label(mask, near)
    return int(np.bincount(labels[mask]).max())


def _options(config: Mapping[str, Any]) -> roi.RegionOptions:
    background = config["background"]
    # A configuration is fit for JSON, which has no number for NaN.
    known = float(background) if isinstance(background, str) else background
    return roi.RegionOptions(background=known)


def _brightest(values: Array, *, dark: bool) -> float | None:
    numbers = values[values == values]
    if not numbers.size:
        return None
    return float(numbers.min() if dark else numbers.max())
