"""The arrays of the reconstruction panel: one slice of the first scan, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import medroi
from medroi.compare.sources import Source
from medroi.compare.subject import Subject, prepare
from medroi.compare.work import shown_slice
from medroi.errors import MedROIError
from medroi.scans.stores.kept import kept_mask

FILE_NAME = "panel.npz"


def assemble(
    slices: Mapping[tuple[str, str, str], Any], source: Source, state: Path, background: Any
) -> None:
    """Write ``panel.npz`` of what was decoded; nothing where nothing was.

    Parameters
    ----------
    slices : mapping
        By inner codec, level and region.
    source : Source
        The scan.
    state : Path
        Folder to write to.
    background : float or "auto"
        As for `prepare`.
    """
    if not slices:
        return
    try:
        subject = prepare(source, background)
    except (MedROIError, OSError):
        return
    masks = {}
    for name in ("box", "mask"):
        stream = subject.regions[name].codec("raw").encode(subject.voxels)
        masks[name] = shown_slice(subject, kept_mask(stream, medroi.inspect(stream)))
    arrays = {
        "original": shown_slice(subject, subject.voxels),
        "box": np.array(_bounds(masks["box"]), np.int64),
        "mask": masks["mask"],
        "peak": np.array(subject.peak),
        "flip": np.array(_is_upside_down(subject)),
        "aspect": np.array(_aspect(subject)),
    }
    decoded = {"/".join(("decoded", *key)): image for key, image in slices.items()}
    half = state / f"part-{FILE_NAME}"
    np.savez_compressed(half, **arrays, **decoded)
    half.replace(state / FILE_NAME)


def _axis_steps(subject: Subject, at: int) -> Any:
    """Millimetres to the right, front and top of one voxel along an axis; None: unknown."""
    affine = subject.regions["full"].config.get("affine")
    axis = subject.order[at]
    if affine is None or axis > 2:
        return None
    return np.asarray(affine, float)[:3, axis]


def _is_upside_down(subject: Subject) -> bool:
    """Whether the rows of the slice run towards the front or the top of the patient."""
    steps = _axis_steps(subject, -2)
    if steps is None:
        return False
    most = int(np.argmax(np.abs(steps)))
    return bool(most > 0 and steps[most] > 0)


def _aspect(subject: Subject) -> float:
    """Height over width of a voxel of the slice."""
    rows, columns = _axis_steps(subject, -2), _axis_steps(subject, -1)
    if rows is None or columns is None or not np.any(columns):
        return 1.0
    return float(np.linalg.norm(rows) / np.linalg.norm(columns)) or 1.0


def _bounds(mask: Any) -> tuple[int, int, int, int]:
    """row0, row1, column0, column1, half-open; zeros where the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return (0, 0, 0, 0)
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
