"""Dropped signal in words: how much, its largest group, and where that lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

N_LEFT_OUT = 3
"""How many of the components that a region leaves out are named, the largest first."""


def volume_mm3(group: Mapping[str, Any], spacing_mm: Sequence[float]) -> float:
    """Return the volume of a group whose voxels are so long along the volume's axes."""
    return float(group["n_voxels"] * math.prod(spacing_mm))


def volume_text(mm3: float | None) -> str:
    """Say a volume behind a number of voxels; nothing where the spacing is not known."""
    return "" if mm3 is None else f" ({mm3:.3g} mm3)"


def with_volume(facts: Mapping[str, Any], spacing_mm: Sequence[float]) -> dict[str, Any]:
    """Give the largest dropped group its volume in mm3, where voxels are known to be so long."""
    group = facts.get("largest_dropped_group")
    if group is None or not spacing_mm:
        return dict(facts)
    measured = {**group, "volume_mm3": volume_mm3(group, spacing_mm)}
    return {**facts, "largest_dropped_group": measured}


def _place_text(names: Sequence[str], box: Sequence[Sequence[int]]) -> str:
    bounds = zip(names, box, strict=False)
    return " ".join(f"{name} {start}:{stop}" for name, (start, stop) in bounds)


def left_out_text(
    n_pieces: int,
    n_voxels: int,
    largest: Sequence[tuple[int, Sequence[Sequence[int]]]],
    names: Sequence[str],
) -> str:
    """Say which components a region leaves out; `largest` has voxels and boxes, largest first."""
    pieces = [f"{n_here} in {_place_text(names, box)}" for n_here, box in largest[:N_LEFT_OUT]]
    more = "the largest " if n_pieces > len(pieces) else ""
    return (
        f"{n_pieces} separate pieces of tissue were left out, {n_voxels} voxels in all: "
        f"{more}{', '.join(pieces)}"
    )


def dropped_text(
    facts: Mapping[str, Any], names: Sequence[str], spacing_mm: Sequence[float] | None
) -> str:
    """Say what a region drops of the signal.

    Parameters
    ----------
    facts : mapping
        As `DroppedSignal.facts` has them.
    names : sequence of str
        Of the array's axes.
    spacing_mm : sequence of float or None
        Along the volume's axes; None or empty where it is not known: volumes are left out.
    """
    level = facts["signal_level"]
    above = "" if level is None else f" at {level:.6g} or beyond"
    group = facts["largest_dropped_group"]
    if not facts["n_dropped_signal"]:
        return f"nothing of it is dropped{above}"
    if group is None:  # of a mask that was given, groups are not looked for
        return f"{facts['n_dropped_signal']} of {facts['n_signal']} voxels{above} are dropped"
    plural = "" if group["n_voxels"] == 1 else "s"
    volume = volume_text(volume_mm3(group, spacing_mm) if spacing_mm else None)
    return (
        f"{facts['n_dropped_signal']} of {facts['n_signal']} voxels{above} are dropped; the "
        f"largest connected group has {group['n_voxels']} voxel{plural}{volume}, reaches "
        f"{group['peak']:.6g} and lies at {_place_text(names, group['box'])}"
    )
