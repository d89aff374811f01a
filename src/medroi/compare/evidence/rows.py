"""The row of evidence.csv that one decoded array gives."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.compare.evidence import fidelity, noise, texture, tissue
from medroi.compare.evidence.original import Original
from medroi.compare.results import ResultRow
from medroi.compare.subject import Subject

Array = npt.NDArray[Any]


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
    after = subject.in_order(decoded)
    original = subject.originals[row.region].within(np.isfinite(after))
    if not np.any(original.inside != after[original.mask]):
        return None
    found = EvidenceRow(
        row.scan, row.data_set, row.inner, row.level, row.region, bpv_volume=row.bpv_volume
    )
    figures: dict[str, Any] = {
        **_of_noise(original, after),
        **_of_fidelity(original, after),
        **_of_tissue(original, after),
        **_of_texture(original, after),
    }
    return dataclasses.replace(found, **figures)


def _of_noise(original: Original, decoded: Array) -> dict[str, float | None]:
    error = decoded.astype(np.float64) - original.voxels.astype(np.float64)
    residual = np.where(original.mask, error, 0.0)
    rms = math.sqrt(float(np.mean(np.square(residual[original.mask]))))
    sigma = original.noise_sigma
    low, middle, high = noise.spectrum_ratios(original.patches, decoded) or (None, None, None)
    return {
        "max_error": float(np.abs(residual).max()),
        "rms_error": rms,
        "noise_sigma": sigma,
        "error_per_noise": rms / sigma if sigma else None,
        "spectrum_low": low,
        "spectrum_middle": middle,
        "spectrum_high": high,
        "residual_autocorrelation": noise.residual_autocorrelation(residual, original.mask),
    }


def _of_fidelity(original: Original, decoded: Array) -> dict[str, float | None]:
    if original.window is None:
        return {}
    low, high = original.window

    def grey(image: Array) -> Array:
        scaled = (image.astype(np.float64) - low) * (255 / (high - low))
        return np.asarray(np.clip(np.nan_to_num(scaled), 0, 255))

    pairs = []
    for at in original.shown_slices:
        before, inside, after = (
            a.reshape(-1, *a.shape[-2:])[at] for a in (original.voxels, original.mask, decoded)
        )
        pairs.append((grey(before), grey(np.where(inside, after, before))))
    measures = {"vif": fidelity.vif, "haarpsi": fidelity.haarpsi}
    return {
        name: sum(measure(*pair) for pair in pairs) / len(pairs)
        for name, measure in measures.items()
    }


def _of_tissue(original: Original, decoded: Array) -> dict[str, float | None]:
    found = tissue.changes(original.inside, decoded[original.mask], original.thresholds)
    volume, dice = found or (None, None)
    return {"volume_change": volume, "least_dice": dice}


def _of_texture(original: Original, decoded: Array) -> dict[str, float | None]:
    before = original.features
    after = texture.features_of(decoded, original.mask, *original.levels)
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
