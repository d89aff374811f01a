"""The setting of a codec with which a region reaches a PSNR."""

from __future__ import annotations

import math
from collections.abc import Callable

from medroi.errors import InvalidArgument

_TOLERANCE = 0.2
_MAX_TRIALS = 20


def reach(codec: str, wanted: float, measure: Callable[[float], float], start: float) -> float:
    """The setting whose PSNR is within 0.2 dB of the one wanted, or the lowest above it.

    Parameters
    ----------
    codec : str
        Name for the refusal.
    wanted : float
        dB.
    measure : callable
        Setting to PSNR, both in dB; rises with it, about as fast.
    start : float
        First setting to try.

    Raises
    ------
    InvalidArgument
        Where no setting reaches it.
    """
    low, high = (-math.inf, -math.inf), (math.inf, math.inf)
    setting, last = start, -math.inf
    for trial in range(_MAX_TRIALS):
        psnr = measure(setting)
        if psnr < wanted:
            low = max(low, (setting, psnr))
        else:
            high = min(high, (setting, psnr))
        bracketed = math.isfinite(low[0]) and math.isfinite(high[0])
        stuck = high[0] - low[0] < 0.001 if bracketed else trial > 2 and abs(psnr - last) < 0.005
        if abs(psnr - wanted) <= _TOLERANCE / 2 or stuck:
            break
        last = psnr
        setting = (
            _between(low, high, wanted, trial) if bracketed else _beyond(setting, wanted, psnr)
        )
    if wanted - low[1] <= _TOLERANCE:
        return low[0]
    if math.isfinite(high[0]):
        return high[0]
    raise InvalidArgument(
        f"{codec}: psnr {wanted:g} dB cannot be reached on this region, at most {low[1]:.1f}: "
        "ask for less, or for lossless"
    )


def _between(
    low: tuple[float, float], high: tuple[float, float], wanted: float, trial: int
) -> float:
    share = (wanted - low[1]) / (high[1] - low[1])
    if trial % 3 == 2 or not 0.05 < share < 0.95:
        share = 0.5
    return low[0] + share * (high[0] - low[0])


def _beyond(setting: float, wanted: float, psnr: float) -> float:
    miss = min(max(wanted - psnr, -40.0), 40.0)
    return setting + math.copysign(max(abs(miss), 1.0), miss)
