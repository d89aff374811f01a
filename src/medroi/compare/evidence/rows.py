"""The row of evidence.csv that one decoded array gives."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.compare.evidence import fidelity, noise, texture, tissue
from medroi.compare.results import ResultRow
from medroi.compare.subject import Subject

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

# Slices that VIF and HaarPSI look at.
_N_SLICES = 12
_WINDOW_PERCENT = (0.5, 99.5)
_LEVELS_PERCENT = (1.0, 99.0)


@dataclasses.dataclass(frozen=True)
class EvidenceRow:
    """Evidence about one method on one scan. A number that there is not is None, an empty cell.

    All of it is over the signal voxels inside the region, so that it is the codec which is judged:
    what the region drops stands in results.csv. Voxels beside them count as equal.

    Attributes
    ----------
    scan, data_set, inner, level, region : str
        As in `ResultRow`.
    bpv_volume : float
        As in `ResultRow`.
    max_error : float
        In stored units.
    rms_error, noise_sigma, error_per_noise : float
        Root of the mean square error and standard deviation of the original's noise in stored
        units, and their ratio.
    spectrum_low, spectrum_middle, spectrum_high : float
        Noise power of the decoded array over that of the original, in three bands of frequency.
    residual_autocorrelation : float
        Of the error with itself one voxel on.
    vif, haarpsi : float
        Means over slices in the display window, 0.5 to 99.5 % of the signal voxels.
    volume_change, least_dice : float
        The largest relative change of the volume of one of three tissue classes, and the least
        Dice of one.
    mean_shift : float
        Change of the mean over the standard deviation of the original.
    sd_change, contrast_change, energy_change : float
        Relative changes of the standard deviation and of two texture features.
    """

    scan: str
    data_set: str
    inner: str
    level: str
    region: str
    bpv_volume: float | None = None
    max_error: float | None = None
    rms_error: float | None = None
    noise_sigma: float | None = None
    error_per_noise: float | None = None
    spectrum_low: float | None = None
    spectrum_middle: float | None = None
    spectrum_high: float | None = None
    residual_autocorrelation: float | None = None
    vif: float | None = None
    haarpsi: float | None = None
    volume_change: float | None = None
    least_dice: float | None = None
    mean_shift: float | None = None
    sd_change: float | None = None
    contrast_change: float | None = None
    energy_change: float | None = None


def evidence_of(subject: Subject, row: ResultRow, decoded: Array) -> EvidenceRow | None:
    """Gather the evidence about a decoded array of a scan's shape and axes.

    None where every signal voxel inside the region came back as it was.

    Parameters
    ----------
    subject : Subject
    row : ResultRow
        The figures of the same method and region.
    decoded : ndarray
    """
    original, after = subject.in_order(subject.voxels), subject.in_order(decoded)
    mask = subject.signal & subject.in_order(subject.kept(row.region))
    mask &= np.isfinite(original) & np.isfinite(after)
    if not np.any(original[mask] != after[mask]):
        return None
    found = EvidenceRow(
        row.scan, row.data_set, row.inner, row.level, row.region, bpv_volume=row.bpv_volume
    )
    figures: dict[str, Any] = {
        **_of_noise(original, after, mask),
        **_of_fidelity(original, after, mask),
        **_of_tissue(original[mask], after[mask]),
        **_of_texture(original, after, mask),
    }
    return dataclasses.replace(found, **figures)


def _of_noise(original: Array, decoded: Array, mask: Mask) -> dict[str, float | None]:
    residual = np.where(mask, decoded.astype(np.float64) - original.astype(np.float64), 0.0)
    rms = math.sqrt(float(np.mean(np.square(residual[mask]))))
    sigma = noise.noise_sigma(original, mask)
    low, middle, high = noise.spectrum_ratios(original, decoded, mask) or (None, None, None)
    return {
        "max_error": float(np.abs(residual).max()),
        "rms_error": rms,
        "noise_sigma": sigma,
        "error_per_noise": rms / sigma if sigma else None,
        "spectrum_low": low,
        "spectrum_middle": middle,
        "spectrum_high": high,
        "residual_autocorrelation": noise.residual_autocorrelation(residual, mask),
    }


def _of_fidelity(original: Array, decoded: Array, mask: Mask) -> dict[str, float | None]:
    low, high = (float(value) for value in np.percentile(original[mask], _WINDOW_PERCENT))
    if not high > low or min(original.shape[-2:]) < fidelity.LEAST_SIZE:
        return {"vif": None, "haarpsi": None}

    def grey(image: Array) -> Array:
        scaled = (image.astype(np.float64) - low) * (255 / (high - low))
        return np.asarray(np.clip(np.nan_to_num(scaled), 0, 255))

    pairs = []
    for at in _slices(mask):
        before, inside = (a.reshape(-1, *a.shape[-2:])[at] for a in (original, mask))
        after = np.where(inside, decoded.reshape(-1, *decoded.shape[-2:])[at], before)
        pairs.append((grey(before), grey(after)))
    measures = {"vif": fidelity.vif, "haarpsi": fidelity.haarpsi}
    return {
        name: sum(measure(*pair) for pair in pairs) / len(pairs)
        for name, measure in measures.items()
    }


def _slices(mask: Mask) -> list[int]:
    """Numbers of evenly spaced slices of those that hold at least half of the most signal."""
    areas = mask.reshape(-1, mask.shape[-2] * mask.shape[-1]).sum(axis=1)
    full = np.flatnonzero(areas * 2 >= areas.max())
    at = np.linspace(0, len(full) - 1, min(_N_SLICES, len(full)))
    return [int(number) for number in full[np.rint(at).astype(int)]]


def _of_tissue(original: Array, decoded: Array) -> dict[str, float | None]:
    volume, dice = tissue.changes(original, decoded) or (None, None)
    return {"volume_change": volume, "least_dice": dice}


def _of_texture(original: Array, decoded: Array, mask: Mask) -> dict[str, float | None]:
    low, high = (float(value) for value in np.percentile(original[mask], _LEVELS_PERCENT))
    before = texture.features_of(original, mask, low, high)
    after = texture.features_of(decoded, mask, low, high)
    if before is None or after is None:
        return {}
    return {
        "mean_shift": _over(after.mean - before.mean, before.sd),
        "sd_change": _over(after.sd - before.sd, before.sd),
        "contrast_change": _over(after.contrast - before.contrast, before.contrast),
        "energy_change": _over(after.energy - before.energy, before.energy),
    }


def _over(change: float, reference: float) -> float | None:
    return change / reference if reference > 0 else None
