"""The region of a packed scan: kept and dropped voxels, in words and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medroi.roi import Box
from medroi.scans.dropped import dropped_text, with_volume
from medroi.scans.report import box_text, percent, threshold_text


@dataclass(frozen=True)
class KeptRegion:
    """The region of a packed scan. ``print`` it for the words; the attributes have the numbers.

    Attributes
    ----------
    roi : {"box", "mask"}
        Shape of the region.
    box : tuple of (int, int)
        Half-open bounds per axis of the array, in the order (x, y, z, ...): the smallest box that
        holds the region; all (0, 0) where nothing was kept.
    n_voxels, n_kept : int
        Voxels of the scan, and those inside the region.
    background : int or float
        Stored value of every voxel outside the region.
    threshold : float or None
        Stored value from which on a voxel counts as tissue; None where none was used.
    is_given : bool
        Whether the mask was given, not found.
    dropped : mapping
        Signal outside the region, as the pack report has it: ``signal_level``, ``n_signal``,
        ``n_dropped_signal``, ``largest_dropped_group``. Empty where the store does not say.
    axis_names : tuple of str
        Of the array.
    spacing_mm : tuple of float
        Along its first three axes.
    """

    roi: str
    box: Box
    n_voxels: int
    n_kept: int
    background: int | float
    threshold: float | None
    is_given: bool
    axis_names: tuple[str, ...]
    spacing_mm: tuple[float, ...]
    polarity: str = "bright"
    dropped: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept_share(self) -> float:
        """Share of the voxels inside the region."""
        return self.n_kept / self.n_voxels if self.n_voxels else 0.0

    @property
    def n_dropped(self) -> int:
        """Voxels outside the region, which are background now."""
        return self.n_voxels - self.n_kept

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "roi": self.roi,
            "box": [list(bounds) for bounds in self.box],
            "n_voxels": self.n_voxels,
            "n_kept": self.n_kept,
            "kept_share": self.kept_share,
            "background": self.background,
            "threshold": self.threshold,
            "is_given": self.is_given,
            **with_volume(self.dropped, self.spacing_mm),
        }

    def __str__(self) -> str:
        """Return the region as a few lines of text."""
        if not self.n_kept:
            return f"no voxel differs from the background, {self.background:g}"
        if not self.n_dropped:
            return f"all {self.n_voxels} voxels are kept"
        found = "a given mask" if self.is_given else f"a {self.roi}"
        text = (
            f"{found} with {self.n_kept} of {self.n_voxels} voxels ({percent(self.kept_share)}) is "
            f"kept, in {box_text(self.box, self.axis_names)}; all others are {self.background:g}"
        )
        if self.threshold is None:
            return text
        lines = [text, f"tissue: {threshold_text(self.threshold, 'number', self.polarity)}"]
        if self.dropped:
            words = dropped_text(self.dropped, self.axis_names, self.spacing_mm)
            lines.append(f"signal: {words}")
        return "\n".join(lines)
