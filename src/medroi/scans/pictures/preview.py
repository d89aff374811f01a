"""Previews of a setting: numbers of what it keeps and drops, and the masks of one volume."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.codec import LeftOut
from medroi.roi import DroppedGroup, DroppedSignal
from medroi.scans.dropped import dropped_text, left_out_text
from medroi.scans.report import axis_bars, megabytes, percent, threshold_text
from medroi.scans.stores.readback import number

Mask = npt.NDArray[np.bool_]
Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Shown:
    """One volume of a scan, to be looked at.

    Attributes
    ----------
    voxels : ndarray
        Of an array with more than three axes, the middle of the others.
    kept, tissue : ndarray of bool
        Voxels inside the region, and those that the threshold calls tissue.
    axes, index : tuple of int
        Array axes of the volume, and where it lies: one number per array axis, 0 on `axes`.
    spacing_mm : tuple of float
        Along `axes`.
    directions : tuple of str, optional
        Where each axis of the volume points: two letters of L R, P A, I S, such as ``"LR"`` for an
        axis from left to right. None where the file does not say.
    y_up : bool
        Where it does not: whether the second axis goes up, as in files of scans, or down, as rows.
    other : ndarray of bool, optional
        Voxels that the other kind of region, mask or box, would keep. None where it is not known.
    """

    voxels: npt.NDArray[Any]
    kept: Mask
    tissue: Mask
    axes: tuple[int, ...]
    index: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    directions: tuple[str, ...] | None
    y_up: bool
    other: Mask | None = None

    @property
    def corner_value(self) -> float:
        """The value that all corners of the volume have, as padding has; NaN where they differ."""
        corners = self.voxels[np.ix_(*((0, -1) for _ in self.voxels.shape))]
        first = corners.flat[0]
        return float(first) if (corners == first).all() else math.nan


@dataclass
class Preview:
    """Effect of one setting on one scan.

    Attributes
    ----------
    name : str
        What the scan is called.
    settings : dict
        The codec's configuration, with its numbers found.
    threshold_rule : str
        Where the threshold comes from.
    box : tuple of (int, int), optional
        Half-open bounds per array axis that hold the regions of all chunks; None for no region.
    n_kept, n_in_boxes : int
        Voxels inside the region, and inside the boxes around it: that of one region for the whole
        scan, or one of each chunk.
    n_tissue, n_missed : int
        Voxels that reach the threshold, in all and outside the region; 0 for a store, where they
        are gone.
    miss_rate : float
        Their ratio.
    promised_miss_rate : float
        The largest share of tissue outside that a stream reports, which `max_miss_rate` bounds: of
        a box the same voxels, of a mask those that are more than specks.
    n_enclosed, n_enclosed_dropped : int
        Voxels of the whole scan's foreground mask, whatever their value, and those
        of them that are dropped: what fitting keeps below `max_miss_rate`. 0 of a store.
    signal_level : float, optional
        Of the whole scan, in stored units.
    noise_level : float, optional
        What it would be if the threshold were "auto"; None where the air is not shown to be noise,
        and of a store where nothing of the signal is dropped.
    n_signal, n_dropped_signal : int
        Signal voxels in all and outside the region; both 0 where none is dropped.
    dropped_groups : tuple of DroppedGroup
        The largest connected group of dropped signal, of each chunk that has its own region.
    n_left_out, n_left_out_voxels : int
        Separate pieces of tissue that were left out of the region, and their voxels.
    left_out : tuple of LeftOut
        The largest of them.
    extreme_dropped, bright_tissue : float, optional
        In stored units: the dropped voxel that is furthest from the air, and the 99th percentile of
        the tissue in the volume shown (the first where tissue is dark).
    extreme_dropped_at : tuple of int
        Where that voxel lies.
    other_roi, n_kept_by_other : str, int
        The other kind of region, and what it would keep; empty where it was not asked for.
    streams_nbytes, whole_nbytes : int
        Bytes of all streams, and what they would be with the whole array as the region (unknown, 0,
        of a store).
    from_store : bool
        Whether this is what a packed store gives back.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    axis_names: tuple[str, ...]
    chunks: tuple[int, ...]
    settings: dict[str, Any]
    threshold_rule: str
    shown: Shown
    from_store: bool = False
    box: Box | None = None
    n_chunks: int = 0
    n_kept: int = 0
    n_in_boxes: int = 0
    n_tissue: int = 0
    n_missed: int = 0
    miss_rate: float = 0.0
    promised_miss_rate: float = 0.0
    n_enclosed: int = 0
    n_enclosed_dropped: int = 0
    signal_level: float | None = None
    noise_level: float | None = None
    n_signal: int = 0
    n_dropped_signal: int = 0
    dropped_groups: tuple[DroppedGroup, ...] = ()
    n_left_out: int = 0
    n_left_out_voxels: int = 0
    left_out: tuple[LeftOut, ...] = ()
    extreme_dropped: float | None = None
    extreme_dropped_at: tuple[int, ...] = ()
    bright_tissue: float | None = None
    other_roi: str = ""
    n_kept_by_other: int = 0
    streams_nbytes: int = 0
    whole_nbytes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def array_nbytes(self) -> int:
        """Bytes of the array in its stored dtype."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def kept_share(self) -> float:
        """Share of the voxels inside the region."""
        return self.n_kept / max(1, math.prod(self.shape))

    @property
    def kept_as(self) -> str:
        """The kind of region that was found, whichever was asked for."""
        if self.n_kept == math.prod(self.shape):
            return "whole array"
        return "box" if self.n_kept == self.n_in_boxes else "mask"

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        fields = (field.name for field in dataclasses.fields(self) if field.name != "shown")
        found = {name: getattr(self, name) for name in fields}
        found["dropped_groups"] = [dataclasses.asdict(group) for group in self.dropped_groups]
        found["left_out"] = [dataclasses.asdict(piece) for piece in self.left_out]
        return {
            **found,
            "kept_as": self.kept_as,
            "kept_share": self.kept_share,
            "array_nbytes": self.array_nbytes,
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return the numbers as labelled lines."""
        sizes = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{size:.3g}" for size in self.shown.spacing_mm)
        array = f"{sizes} {self.dtype}, {megabytes(self.array_nbytes)}, voxels of {spacing} mm"
        kept = f"{self.kept_as} with {100 * self.kept_share:.1f} % of the voxels"
        if self.other_roi:
            share = 100 * self.n_kept_by_other / max(1, math.prod(self.shape))
            kept += f"; a {self.other_roi} would keep {share:.1f} %"
        return [
            ("scan", f"{self.name}: {array}"),
            ("setting", self.setting_text()),
            ("kept", kept if self.box is not None else "nothing: no tissue was found"),
            ("dropped", self._dropped()),
            *(("", text) for text in [self._signal()] if text),
            *(("", more) for more in self._left_out()),
            ("bytes", self._bytes()),
            *(("note", note) for note in self.notes),
        ]

    def __str__(self) -> str:
        """Return the numbers as a few lines of text, the kept range of every axis drawn."""
        lines = []
        for label, text in self.rows():
            lines.append(f"{label:<8} {text}")
            if label == "kept":
                bars = axis_bars(self.box, self.shape, self.axis_names)
                lines += [f"{'':<8} {bar}" for bar in bars]
        return "\n".join(lines)

    def setting_text(self) -> str:
        """Say the setting in one line."""
        has = self.settings
        threshold = number(has["threshold"])
        parts = [
            f"tissue {threshold_text(threshold, self.threshold_rule, has['polarity'])}",
            f"background {number(has['background']):g}",
            f"padding {has['padding']}",
        ]
        if threshold is not None:
            parts.append(f"at most {100 * has['max_miss_rate']:g} % of the tissue outside")
        if self.n_chunks > 1:
            parts.append(f"{self.n_chunks} chunks of {' x '.join(map(str, self.chunks))}")
        return ", ".join(parts)

    def _dropped(self) -> str:
        if self.settings["threshold"] is None:
            return "nothing that differs from the background"
        if self.from_store:
            largest = self.settings["components"] == "largest"
            tissue = "tissue of the largest component" if largest else "tissue"
            return (
                "no longer in the store; when it was packed, "
                f"{percent(self.promised_miss_rate)} of the {tissue} lay outside the region"
            )
        text = (
            f"{self.n_missed} of {self.n_tissue} voxels that reach the threshold "
            f"({percent(self.miss_rate)})"
        )
        if self.extreme_dropped is None or self.bright_tissue is None:
            return text
        dark = self.settings["polarity"] == "dark"
        most, plain = ("darkest", "dark") if dark else ("brightest", "bright")
        at = ",".join(map(str, self.extreme_dropped_at))
        return (
            f"{text}; the {most} dropped voxel, {at}, has {self.extreme_dropped:.5g} "
            f"({plain} tissue: {self.bright_tissue:.5g})"
        )

    def _signal(self) -> str:
        if self.settings["threshold"] is None and not self.n_dropped_signal:
            return ""
        group = max(self.dropped_groups, key=lambda group: group.n_voxels, default=None)
        dropped = DroppedSignal(
            math.nan if self.signal_level is None else self.signal_level,
            self.n_signal,
            self.n_dropped_signal,
            group,
        )
        return "of the signal, " + dropped_text(
            dropped.facts(), self.axis_names, self.shown.spacing_mm
        )

    def _left_out(self) -> list[str]:
        lines = []
        if self.n_enclosed:
            share = self.n_enclosed_dropped / self.n_enclosed
            lines.append(
                f"{self.n_enclosed_dropped} of {self.n_enclosed} voxels of the foreground "
                f"mask, dark ones too ({percent(share)})"
            )
        if self.settings["roi"] == "mask" and not self.from_store:
            rate = percent(self.promised_miss_rate)
            where = " of any chunk" if self.n_chunks > 1 else ""
            lines.append(f"without specks, which are mostly noise: {rate} of the tissue{where}")
        if self.n_left_out:
            pieces = [(piece.n_voxels, piece.box) for piece in self.left_out]
            counted = self.n_left_out, self.n_left_out_voxels
            lines.append(left_out_text(*counted, pieces, self.axis_names))
        return lines

    def _bytes(self) -> str:
        name = self.settings["inner"]["id"]
        text = f"{megabytes(self.streams_nbytes)} with {name}"
        if not self.whole_nbytes:
            return f"{text}, a ratio of {self.array_nbytes / max(1, self.streams_nbytes):.2f}"
        saved = 100 * (1 - self.streams_nbytes / self.whole_nbytes)
        change = f"{abs(saved):.1f} % {'more' if saved < 0 else 'less'}"
        return f"{text}, {change} than the {megabytes(self.whole_nbytes)} of the whole array"
