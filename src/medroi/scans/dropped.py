"""Dropped signal in words: how much, its largest group, and where that lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


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
    if spacing_mm is not None:
        volume = f" ({group['n_voxels'] * math.prod(spacing_mm):.3g} mm3)"
    return (
        f"{facts['n_dropped_signal']} of {facts['n_signal']} voxels{above} are dropped; the "
        f"largest connected group has {group['n_voxels']} voxel{plural}{volume}, reaches "
        f"{group['peak']:.6g} and lies at {where}"
    )
