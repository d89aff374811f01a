"""Read a rate-distortion curve off its points."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.interpolate import PchipInterpolator


def bytes_at(points: Iterable[tuple[float, int]], wanted: float) -> float | None:
    """Monotone cubic interpolation of the logarithm of bytes; None outside the curve.

    Parameters
    ----------
    points : iterable of (float, int)
        PSNR in dB and bytes, by rising PSNR.
    wanted : float
        PSNR in dB.
    """
    rising = dict(points)  # of equal PSNR the last, which takes most bytes
    x, y = np.array(list(rising)), np.log(list(rising.values()))
    if len(x) < 2 or not x[0] <= wanted <= x[-1]:
        return None
    return float(np.exp(PchipInterpolator(x, y)(wanted)))
