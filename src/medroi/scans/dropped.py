"""Dropped signal in words: how much, its largest group, and where that lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def with_volume(facts: Mapping[str, Any], spacing_mm: Sequence[float]) -> dict[str, Any]:
    """Give the largest dropped group its volume in mm3, where voxels are known to be so long."""
    group = facts.get("largest_dropped_group")
    if group is None or not spacing_mm:
        return dict(facts)
    volume = group["n_voxels"] * math.prod(spacing_mm)
    return {**facts, "largest_dropped_group": {**group, "volume_mm3": volume}}


def left_out_text(
    n_pieces: int,
    n_voxels: int,
    largest: Sequence[tuple[int, Sequence[Sequence[int]]]],
    names: Sequence[str],
) -> str:
    """Say which components a region leaves out; `largest` has voxels and box of some."""
    pieces = []
    for n_here, box in largest:
        bounds = zip(names, box, strict=False)
        where = " ".join(f"{name} {start}:{stop}" for name, (start, stop) in bounds)
        pieces.append(f"{n_here} in {where}")
    more = "the largest " if n_pieces > len(pieces) else ""
    return (
        f"{n_pieces} separate pieces of tissue were left out, {n_voxels} voxels in all: "
        f"{more}{', '.join(pieces)}"
    )


def dropped_text(
    facts: Mapping[str, Any], names: Sequence[str], spacing_mm: Sequence[float] | None = None
) -> str:
    """Say what a region drops of the signal.

    Parameters
    ----------
    facts : mapping
        As `DroppedSignal.facts` has them.
    names : sequence of str
        Of the array's axes.
    spacing_mm : sequence of float, optional
        Along the volume's axes; without it volumes are left out.
    """
    level = facts["signal_level"]
    above = "" if level is None else f" at {level:.6g} or beyond"
    group = facts["largest_dropped_group"]
    if not facts["n_dropped_signal"]:
        return f"nothing of it is dropped{above}"
    if group is None:  # of a mask that was given, groups are not looked for
        return f"{facts['n_dropped_signal']} of {facts['n_signal']} voxels{above} are dropped"
    bounds = zip(names, group["box"], strict=False)
    where = " ".join(f"{name} {start}:{stop}" for name, (start, stop) in bounds)
    plural = "" if group["n_voxels"] == 1 else "s"
    volume = ""
    if spacing_mm:
        volume = f" ({group['n_voxels'] * math.prod(spacing_mm):.3g} mm3)"
    return (
        f"{facts['n_dropped_signal']} of {facts['n_signal']} voxels{above} are dropped; the "
        f"largest connected group has {group['n_voxels']} voxel{plural}{volume}, reaches "
        f"{group['peak']:.6g} and lies at {where}"
    )
