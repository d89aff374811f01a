"""Two measures of fidelity that follow readers better than PSNR does, slice by slice.

VIF, visual information fidelity in the pixel domain (Sheikh & Bovik, Image information and visual
quality, IEEE TIP 15(2), 2006): the information that a slice shares with the original over that
which the original holds, over four scales. HaarPSI (Reisenhofer et al., A Haar wavelet-based
perceptual similarity index, Signal Processing: Image Communication 61, 2018): likeness of fine Haar
details, weighted by coarse ones. Constants are those of the authors' own programs. Both take grey
values from 0 to 255: the display window, which a caller cuts and scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.scan import require

Array = npt.NDArray[Any]

_VIF_SCALES = 4
_VIF_NOISE = 2.0
_TINY = 1e-10
# Below this the coarsest scale of VIF has no voxel left.
LEAST_SIZE = 48
_HAAR_C, _HAAR_ALPHA, _HAAR_SCALES = 30.0, 4.2, 3


def vif(original: Array, decoded: Array) -> float:
    """Visual information fidelity of a slice; 1 where nothing differs.

    Parameters
    ----------
    original, decoded : ndarray of float64
        Two axes of at least `LEAST_SIZE`, grey values from 0 to 255.

    Raises
    ------
    InnerUnavailable
        Without scipy.
    """
    shared = held = 0.0
    for scale in range(1, _VIF_SCALES + 1):
        size = 2 ** (_VIF_SCALES - scale + 1) + 1
        if scale > 1:
            original = _smoothed(original, size)[::2, ::2]
            decoded = _smoothed(decoded, size)[::2, ::2]
        mean_1, mean_2 = _smoothed(original, size), _smoothed(decoded, size)
        variance_1 = np.maximum(_smoothed(original * original, size) - mean_1 * mean_1, 0)
        variance_2 = np.maximum(_smoothed(decoded * decoded, size) - mean_2 * mean_2, 0)
        covariance = _smoothed(original * decoded, size) - mean_1 * mean_2
        gain = covariance / (variance_1 + _TINY)
        rest = variance_2 - gain * covariance
        flat = variance_1 < _TINY
        gain[flat], rest[flat], variance_1[flat] = 0, variance_2[flat], 0
        flat = variance_2 < _TINY
        gain[flat], rest[flat] = 0, 0
        against = gain < 0
        rest[against], gain[against] = variance_2[against], 0
        rest = np.maximum(rest, _TINY)
        shared += float(np.log10(1 + gain * gain * variance_1 / (rest + _VIF_NOISE)).sum())
        held += float(np.log10(1 + variance_1 / _VIF_NOISE).sum())
    return shared / held if held > 0 else 1.0


def haarpsi(original: Array, decoded: Array) -> float:
    """Haar perceptual similarity of a slice; 1 where nothing differs.

    Parameters
    ----------
    original, decoded : ndarray of float64
        Two axes, grey values from 0 to 255.
    """
    details = [_details(_halved(image)) for image in (original, decoded)]
    above = below = 0.0
    for first, second in zip(*details, strict=True):
        weight = np.maximum(first[2], second[2])
        alike = sum(
            (2 * a * b + _HAAR_C) / (a * a + b * b + _HAAR_C)
            for a, b in zip(first[:2], second[:2], strict=True)
        )
        above += float((weight / (1 + np.exp(-_HAAR_ALPHA * alike / 2))).sum())
        below += float(weight.sum())
    if not below > 0:
        return 1.0
    likeness = above / below
    return float((np.log(likeness / (1 - likeness)) / _HAAR_ALPHA) ** 2)


def _smoothed(image: Array, size: int) -> Array:
    """The Gaussian mean over a window of odd size, where the window lies within the image."""
    ndimage = require("scipy.ndimage", "VIF", "compare")
    place = np.arange(size) - size // 2
    window = np.exp(-(place**2) / (2 * (size / 5) ** 2))
    window /= window.sum()
    rows = ndimage.correlate1d(image, window, axis=0)
    inner = slice(size // 2, -(size // 2))
    return np.asarray(ndimage.correlate1d(rows, window, axis=1)[inner, inner])


def _halved(image: Array) -> Array:
    around = np.pad(image, ((1, 0), (1, 0)))
    pairs = around[:-1] + around[1:]
    return np.asarray((pairs[:, :-1] + pairs[:, 1:])[::2, ::2] / 4)


def _details(image: Array) -> list[list[Array]]:
    """Magnitudes of Haar details at three scales, of both orientations.

    A window of 2**scale times 2**scale voxels is -1 in one half, 1 in the other, over 2**scale.
    Sums over squares are doubled from scale to scale, so that a window costs two additions.
    """
    found: list[list[Array]] = [[], []]
    # Windows of even size reach one voxel further back than forward; outside is 0.
    widest = 2**_HAAR_SCALES
    squares = np.pad(image, ((widest - 1, widest // 2 - 1),) * 2)
    for scale in range(1, _HAAR_SCALES + 1):
        half = 2 ** (scale - 1)
        start = widest - 1 + half - 1
        across = squares + _behind(squares, half, 1)
        along = squares + _behind(squares, half, 0)
        for kind, sums, axis in ((found[0], across, 0), (found[1], along, 1)):
            steps = sums - _behind(sums, half, axis)
            size_0, size_1 = image.shape
            steps = steps[start : start + size_0, start : start + size_1]
            kind.append(np.abs(steps) / 2**scale)
        squares = along + _behind(along, half, 1)
    return found


def _behind(image: Array, n: int, axis: int) -> Array:
    """The image moved on by n voxels along an axis, zeros before it."""
    moved = np.zeros_like(image)
    if axis == 0:
        moved[n:] = image[:-n]
    else:
        moved[:, n:] = image[:, :-n]
    return moved
