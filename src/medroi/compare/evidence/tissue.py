"""Tissue classes of a decoded array beside those of the original: size and place.

Three classes are cut by two thresholds, found once in the original by Otsu's criterion for several
classes (Otsu 1979; Liao, Chen & Chung, A fast algorithm for multilevel thresholding, J. Inf. Sci.
Eng. 17, 2001) and applied unchanged to the decoded array, so that no new search adds its own
jitter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_N_BINS = 256


def thresholds_of(values: Array) -> tuple[float, float] | None:
    """Two thresholds that make three classes differ most, by a histogram of 256 bins.

    Parameters
    ----------
    values : ndarray
        Finite; one axis.

    Returns
    -------
    tuple of float or None
        Class 1 is what exceeds the first, class 2 what exceeds the second. None where the values
        do not fill three bins.
    """
    counts, edges = np.histogram(values, _N_BINS)
    if np.count_nonzero(counts) < 3:
        return None
    centres = (edges[1:] + edges[:-1]) / 2
    share = np.concatenate([[0.0], np.cumsum(counts / counts.sum())])
    moment = np.concatenate([[0.0], np.cumsum(counts / counts.sum() * centres)])
    # Of bins first .. last - 1: squared moment over share, which Otsu's criterion sums.
    width = share[None, :] - share[:, None]
    sums = moment[None, :] - moment[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        term = np.where(width > 0, sums * sums / width, 0.0)
    total = term[0, :, None] + term + term[:, -1][None, :]
    # The classes end behind bins i and j: 0 <= i < j < all.
    ends = np.arange(_N_BINS + 1)
    valid = (ends[:, None] >= 1) & (ends[None, :] > ends[:, None]) & (ends[None, :] < _N_BINS)
    best = np.unravel_index(np.argmax(np.where(valid, total, -np.inf)), total.shape)
    return float(centres[int(best[0]) - 1]), float(centres[int(best[1]) - 1])


def changes(
    original: Array, decoded: Array, thresholds: tuple[float, float] | None
) -> tuple[float, float] | None:
    """Compare the tissue classes of an original with those of the decoded values.

    Parameters
    ----------
    original, decoded : ndarray
        The same voxels, finite; one axis.
    thresholds : tuple of float or None
        As `thresholds_of` gives them of the original.

    Returns
    -------
    tuple of float or None
        The largest relative change of a class's volume, and the least Dice of a class. None where
        there are no three classes.
    """
    if thresholds is None:
        return None
    before, after = (np.digitize(values, thresholds, right=True) for values in (original, decoded))
    volumes, overlaps = [], []
    for kind in range(3):
        was, now = before == kind, after == kind
        n_was, n_now = int(was.sum()), int(now.sum())
        if n_was:
            volumes.append(abs(n_now - n_was) / n_was)
            overlaps.append(2 * int((was & now).sum()) / (n_was + n_now))
    return max(volumes), min(overlaps)
