"""An original and the voxels that count, kept ready for many decoded arrays."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import metrics
from medroi.compare.evidence import fidelity, noise, texture, tissue

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

# Slices that VIF and HaarPSI look at.
_N_SLICES = 12
_WINDOW_PERCENT = (0.5, 99.5)
_LEVELS_PERCENT = (1.0, 99.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Original:
    """Evidence is taken against this; what does not depend on a codec is found once.

    Attributes
    ----------
    voxels : ndarray
        Slices in the last two axes.
    mask : ndarray of bool
        Of the same shape; the voxels are finite there.
    """

    voxels: Array
    mask: Mask

    def within(self, mask: Mask) -> Original:
        """The same original over fewer voxels; itself where the mask takes none away."""
        fewer = self.mask & mask
        return self if np.array_equal(fewer, self.mask) else Original(self.voxels, fewer)

    @functools.cached_property
    def inside(self) -> Array:
        """The voxels that count, along one axis."""
        return np.asarray(self.voxels[self.mask])

    @functools.cached_property
    def noise_sigma(self) -> float | None:
        """See `metrics.noise_sigma`."""
        return metrics.noise_sigma(self.voxels, self.mask)

    @functools.cached_property
    def patches(self) -> noise.Patches:
        """See `noise.patches_of`."""
        return noise.patches_of(self.voxels, self.mask)

    @functools.cached_property
    def thresholds(self) -> tuple[float, float] | None:
        """See `tissue.thresholds_of`."""
        return tissue.thresholds_of(self.inside)

    @functools.cached_property
    def levels(self) -> tuple[float, float]:
        """Limits of the grey levels of texture."""
        return self._percentiles(_LEVELS_PERCENT)

    @functools.cached_property
    def features(self) -> texture.Features | None:
        """See `texture.features_of`."""
        return texture.features_of(self.voxels, self.mask, *self.levels)

    @functools.cached_property
    def window(self) -> tuple[float, float] | None:
        """The display window; None where there is none, or slices are too small for VIF."""
        low, high = self._percentiles(_WINDOW_PERCENT)
        is_small = min(self.voxels.shape[-2:]) < fidelity.LEAST_SIZE
        return None if is_small or not high > low else (low, high)

    @functools.cached_property
    def shown_slices(self) -> list[int]:
        """Numbers of evenly spaced slices of those that hold at least half of the most signal."""
        areas = self.mask.reshape(-1, self.mask.shape[-2] * self.mask.shape[-1]).sum(axis=1)
        full = np.flatnonzero(areas * 2 >= areas.max())
        at = np.linspace(0, len(full) - 1, min(_N_SLICES, len(full)))
        return [int(number) for number in full[np.rint(at).astype(int)]]

    def _percentiles(self, percent: tuple[float, float]) -> tuple[float, float]:
        low, high = np.percentile(self.inside, percent)
        return float(low), float(high)
