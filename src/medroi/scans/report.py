"""Reports of a pack, for a person and for a script."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from medroi.inner import notice_of
from medroi.scans.dropped import dropped_text, left_out_text, with_volume

_BAR_CELLS = 40
# Fields whose items are entries of the JSON.
_SPREAD = ("dropped", "left_out")


@dataclass(frozen=True)
class PackReport:
    """Figures of one pack: voxels kept, bytes. Sizes count every byte of the store.

    `box` has one half-open (start, stop) per axis: the smallest that holds the regions of all
    chunks, or None where nothing was kept. `ratio` is the array in its stored dtype by all bytes
    written. `air_nbytes` are those of the air that was kept aside, part of `stored_nbytes`.
    `source_nbytes` are those of all files that were read, `saved_share` what the store takes less
    than these. `miss_rate` is the share of the tissue voxels outside the region. `dropped` has the
    signal outside it, as `DroppedSignal.facts` does, `left_out` the components that were left out,
    as `ScanRegion.facts` does. `spacing_mm` is along the axes of the volume.
    """

    source: str
    target: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    axis_names: tuple[str, ...]
    chunks: tuple[int, ...]
    n_chunks: int
    zarr_format: int | None
    inner: str
    roi: str
    threshold_rule: str
    threshold: float | None
    polarity: str
    background: float | int
    box: tuple[tuple[int, int], ...] | None
    n_voxels: int
    n_kept: int
    n_tissue: int
    n_missed: int
    miss_rate: float
    dropped: dict[str, Any]
    n_changed_inside: int
    max_abs_error: float
    array_nbytes: int
    source_nbytes: int
    stored_nbytes: int
    seconds: float
    notes: tuple[str, ...]
    air_nbytes: int = 0
    spacing_mm: tuple[float, ...] = ()
    left_out: dict[str, Any] = field(default_factory=dict)

    @property
    def air(self) -> bool:
        """Whether the air was kept aside."""
        return self.air_nbytes > 0

    @property
    def ratio(self) -> float:
        """Bytes of the array in its stored dtype by all bytes written."""
        return self.array_nbytes / self.stored_nbytes

    @property
    def saved_share(self) -> float:
        """Share of the source's bytes that the store does not take; below 0 where it takes more."""
        return 1 - self.stored_nbytes / self.source_nbytes if self.source_nbytes else 0.0

    @property
    def is_larger(self) -> bool:
        """Whether the store is larger than what it was made of."""
        return self.stored_nbytes > self.source_nbytes

    @property
    def kept_share(self) -> float:
        """Share of the voxels inside the region."""
        return self.n_kept / self.n_voxels

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        background = self.background
        fields = asdict(self)
        return {
            **{name: value for name, value in fields.items() if name not in _SPREAD},
            **self.left_out,
            **with_volume(self.dropped, self.spacing_mm),
            # JSON has no numbers that are not finite.
            "background": background if math.isfinite(background) else str(background),
            "kept_share": self.kept_share,
            "ratio": self.ratio,
            "saved_share": self.saved_share,
            "is_larger": self.is_larger,
            "exact_inside": self.n_changed_inside == 0,
            "air": self.air,
        }

    def __str__(self) -> str:
        """Return the report as a few lines of text."""
        sizes = " x ".join(str(size) for size in self.shape)
        rows = [
            ("array", f"{sizes} {self.dtype}, {megabytes(self.array_nbytes)}, {self._cut()}"),
            ("kept", self._kept()),
            *(("", bar) for bar in axis_bars(self.box, self.shape, self.axis_names)),
            (
                "stored",
                f"{megabytes(self.stored_nbytes)} in all, ratio {self.ratio:.2f} "
                f"(inner codec {self.inner})",
            ),
            ("source", self._against_source()),
            *(
                ("air", f"{megabytes(nbytes)} of that, losslessly kept aside: unpack merges it")
                for nbytes in [self.air_nbytes]
                if nbytes
            ),
            *(("notice", notice) for notice in [self._notice()] if notice),
            ("tissue", self._tissue()),
            *(("signal", text) for text in [self._signal()] if text),
            *(("left out", text) for text in [self._left_out()] if text),
            (
                "threshold",
                f"{threshold_text(self.threshold, self.threshold_rule, self.polarity)}, "
                f"background {self.background:g}",
            ),
            ("time", f"{self.seconds:.1f} s"),
            *(("note", note) for note in self.notes),
        ]
        lines = [f"{self.source} -> {self.target}"]
        lines += [f"  {name:<10} {text}" for name, text in rows]
        return "\n".join(lines)

    def _signal(self) -> str:
        if self.threshold is None:
            return ""
        return dropped_text(self.dropped, self.axis_names, self.spacing_mm)

    def _left_out(self) -> str:
        found = self.left_out
        if not found.get("n_left_out"):
            return ""
        pieces = [(one["n_voxels"], one["box"]) for one in found["left_out"]]
        counted = found["n_left_out"], found["n_left_out_voxels"]
        return left_out_text(*counted, pieces, self.axis_names)

    def _against_source(self) -> str:
        source = megabytes(self.source_nbytes)
        if self.is_larger:
            more = percent(-self.saved_share)
            return f"WARNING: the store is larger than its source, {source}, by {more}"
        return f"{source}, of which {percent(self.saved_share)} is saved"

    def _notice(self) -> str:
        return notice_of(self.inner)

    def _cut(self) -> str:
        return "1 chunk" if self.n_chunks == 1 else f"{self.n_chunks} chunks of {self.chunks}"

    def _kept(self) -> str:
        share = f"{100 * self.kept_share:.1f} % of the voxels"
        return f"{self.roi} with {share}" if self.box else "nothing: no tissue was found"

    def _tissue(self) -> str:
        fidelity = (
            "exact"
            if self.n_changed_inside == 0
            else f"changed by at most {self.max_abs_error:g} (lossy inner codec)"
        )
        if self.n_missed == 0:
            return f"{fidelity}, none outside the region"
        return (
            f"{fidelity}; {self.n_missed} of {self.n_tissue} tissue voxels "
            f"({percent(self.miss_rate)}) lie outside the region"
        )


def threshold_text(threshold: float | str | None, rule: str, polarity: str) -> str:
    """Say which voxels are tissue; a threshold that is not finite may be JSON's text."""
    if threshold is None:
        return "none (every voxel that is not background is kept)"
    sign = "at most" if polarity == "dark" else "at least"
    return f"{sign} {float(threshold):.6g}{'' if rule == 'number' else f' ({rule})'}"


def axis_bars(
    box: tuple[tuple[int, int], ...] | None, shape: tuple[int, ...], names: tuple[str, ...]
) -> list[str]:
    """Draw the range of every axis that is kept, a line each; nothing for an empty region.

    A cell is drawn as kept when any of its voxels is.
    """
    lines = []
    for name, (start, stop), size in zip(names, box or (), shape, strict=False):
        if start == stop:
            return []
        first, last = start * _BAR_CELLS // size, -(-stop * _BAR_CELLS // size)
        bar = "." * first + "#" * (last - first) + "." * (_BAR_CELLS - last)
        lines.append(f"{name} |{bar}| {start}:{stop} of {size}")
    return lines


def percent(share: float) -> str:
    """Write a share for a person: two digits that count, never a power of ten."""
    value = 100 * share
    if value >= 10:
        # Not all is never written as all.
        return f"{min(value, 99.9) if share < 1 else value:.1f} %"
    return f"{np.format_float_positional(value, 2, fractional=False, trim='-')} %"


def megabytes(nbytes: int) -> str:
    """Write a number of bytes for a person."""
    return f"{nbytes / 1e6:.2f} MB" if nbytes >= 1e5 else f"{nbytes} bytes"


def box_text(box: tuple[tuple[int, int], ...] | None, names: tuple[str, ...] | None = None) -> str:
    """Write a box as ranges per axis."""
    if box is None or any(start == stop for start, stop in box):
        return "nothing"
    names = names or tuple(f"axis {axis}" for axis in range(len(box)))
    return "box " + ", ".join(
        f"{name} {start}:{stop}" for name, (start, stop) in zip(names, box, strict=True)
    )
