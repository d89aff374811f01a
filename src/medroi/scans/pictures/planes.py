"""Planes through a volume, turned the way a radiologist looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.roi import DroppedGroup
from medroi.scans.pictures.marks import Mark, marks_in
from medroi.scans.pictures.preview import Mask, Preview, Shown

# The radiological view: the patient's right on the left, as if seen from the feet, and front or
# head up. A plane is named for the axis of the patient that it cuts: left-right, front, head.
_UP_OR_LEFT = "RAS"
_AXES = ("LR", "PA", "IS")
_NAMES = ("sagittal", "coronal", "axial")
_ORDER = ("axial", "coronal", "sagittal")

# What is kept, tissue that is not, and what the other kind of region keeps.
Masks = tuple[Mask, Mask, Mask | None]


@dataclass(frozen=True)
class Plane:
    """One plane, ready to be drawn: row 0 on top, column 0 on the left.

    Attributes
    ----------
    title : str
        Which plane it is and where it was cut.
    image : ndarray
        Stored values, NaN where there is nothing to see.
    kept, missed : ndarray of bool
        What lies inside the region, and tissue that does not.
    row_mm, column_mm : float
        Size of one pixel.
    other : ndarray of bool, optional
        What the other kind of region would keep.
    marks : tuple of Mark
        Dropped groups.
    edges : tuple of str, optional
        What lies at the left, right, top and bottom: L R P A I S. None where it is not known.
    """

    title: str
    image: npt.NDArray[np.floating[Any]]
    kept: Mask
    missed: Mask
    row_mm: float
    column_mm: float
    other: Mask | None = None
    edges: tuple[str, str, str, str] | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width."""
        return self.image.shape[0] * self.row_mm, self.image.shape[1] * self.column_mm


def middle_of_region(preview: Preview) -> tuple[int, ...]:
    """Index of the volume's voxel in the middle of the region, of the volume where it is empty."""
    shown = preview.shown
    if preview.box is None:
        return tuple(size // 2 for size in shown.voxels.shape)
    return tuple((preview.box[axis][0] + preview.box[axis][1]) // 2 for axis in shown.axes)


def planes_at(shown: Shown, at: Sequence[int], groups: Sequence[DroppedGroup] = ()) -> list[Plane]:
    """Cut the volume across each of its axes; an image of two axes is its own only plane.

    Parameters
    ----------
    shown : Shown
        The volume.
    at : sequence of int
        Voxel through which the planes go.
    groups : sequence of DroppedGroup
        To be marked.

    Raises
    ------
    InvalidArgument
        For a voxel outside the volume.
    """
    shape = shown.voxels.shape
    if len(at) != len(shape) or not all(0 <= i < size for i, size in zip(at, shape, strict=True)):
        raise InvalidArgument(
            f"{tuple(at)} is no voxel of the volume: expected {len(shape)} numbers below {shape}"
        )
    missed = shown.tissue & ~shown.kept
    found = []
    for axis in _axes_to_cut(shape):
        cut: Any = tuple(at[i] if i == axis else slice(None) for i in range(len(shape)))
        other = None if shown.other is None else shown.other[cut]
        masks: Masks = shown.kept[cut], missed[cut], other
        where = "" if axis is None else f"{_axis_name(shown, axis)} {at[axis]} of {shape[axis]}"
        marks = marks_in(groups, axis, None if axis is None else at[axis], n_axes=len(shape))
        found.append(_turned(shown, axis, shown.voxels[cut], masks, where, marks))
    return sorted(found, key=_title_rank)


def dropped_along(shown: Shown, *, dark: bool, groups: Sequence[DroppedGroup] = ()) -> list[Plane]:
    """Look through the whole volume: the brightest dropped voxel along each line of sight.

    The darkest where tissue is dark. Lines along which all is kept are NaN. `groups` are marked.
    """
    shape = shown.voxels.shape
    lowest, strongest = (np.inf, np.fmin) if dark else (-np.inf, np.fmax)
    missed = shown.tissue & ~shown.kept
    found = []
    for axis in _axes_to_cut(shape):
        if axis is None:
            return []
        # One slice at a time: a float copy of the whole volume could be large.
        seen = np.full(shape[:axis] + shape[axis + 1 :], lowest, dtype=np.float32)
        for i in range(shape[axis]):
            cut = (slice(None),) * axis + (i,)
            strongest(seen, shown.voxels[cut], out=seen, where=~shown.kept[cut], casting="unsafe")
        seen[~np.isfinite(seen)] = np.nan
        all_kept, any_missed = shown.kept.all(axis=axis), missed.any(axis=axis)
        masks: Masks = np.asarray(all_kept), np.asarray(any_missed), None
        marks = marks_in(groups, axis, None, n_axes=len(shape))
        found.append(_turned(shown, axis, seen, masks, "all slices", marks))
    return sorted(found, key=_title_rank)


def _axes_to_cut(shape: tuple[int, ...]) -> list[int | None]:
    """None stands for an image that needs no cut."""
    if len(shape) < 3:
        return [None]
    flat = [axis for axis, size in enumerate(shape) if size == 1]
    return [flat[0]] if flat else [0, 1, 2]


def _axis_name(shown: Shown, axis: int) -> str:
    return f"axis {shown.axes[axis]}" if shown.directions is None else "slice"


def _turned(
    shown: Shown,
    axis: int | None,
    image: npt.NDArray[Any],
    masks: Masks,
    where: str,
    marks: tuple[Mark, ...],
) -> Plane:
    """Turn a plane that still has the volume's axes into the one that is drawn."""
    rest = [i for i in range(shown.voxels.ndim) if i != axis]
    image = image.astype(np.float32)
    if image.ndim == 1:
        rest, image = [rest[0], rest[0]], image[:, np.newaxis]
        kept, missed, other = masks
        masks = kept[:, np.newaxis], missed[:, np.newaxis], _or_none(other, _as_column)
    row_mm, column_mm = shown.spacing_mm[rest[0]], shown.spacing_mm[rest[1]]
    plane = Plane("", image, *masks[:2], row_mm, column_mm, masks[2], marks=marks)
    if shown.directions is None or len(shown.directions) < 2:
        return _without_directions(plane, shown, where)
    plane, down, across = _oriented(plane, shown.directions[rest[0]], shown.directions[rest[1]])
    name = _NAMES[3 - _rank_of(down) - _rank_of(across)]
    title = f"{name}, {where}" if where else name
    return replace(plane, title=title, edges=(across[0], across[1], down[0], down[1]))


def _oriented(plane: Plane, down: str, across: str) -> tuple[Plane, str, str]:
    """Rows along P A or I S, columns along L R, or P A where there is none."""
    if _rank_of(down) < _rank_of(across):
        plane, down, across = _transposed(plane), across, down
    if down[0] not in _UP_OR_LEFT:
        plane, down = _flipped(plane, 0), down[::-1]
    if across[0] not in _UP_OR_LEFT:
        plane, across = _flipped(plane, 1), across[::-1]
    return plane, down, across


def _rank_of(letters: str) -> int:
    return next(i for i, pair in enumerate(_AXES) if letters[0] in pair)


def _without_directions(plane: Plane, shown: Shown, where: str) -> Plane:
    """The array as it lies: files have x to the right and y up, bare arrays rows from the top."""
    title = where or "the image"
    if shown.y_up:
        return replace(_flipped(_transposed(plane), 0), title=title)
    return replace(plane, title=title)


def _transposed(plane: Plane) -> Plane:
    return replace(
        plane,
        image=plane.image.T,
        kept=plane.kept.T,
        missed=plane.missed.T,
        other=_or_none(plane.other, np.transpose),
        row_mm=plane.column_mm,
        column_mm=plane.row_mm,
        marks=tuple(mark.transposed() for mark in plane.marks),
    )


def _flipped(plane: Plane, axis: int) -> Plane:
    return replace(
        plane,
        image=np.flip(plane.image, axis),
        kept=np.flip(plane.kept, axis),
        missed=np.flip(plane.missed, axis),
        other=_or_none(plane.other, lambda mask: np.flip(mask, axis)),
        marks=tuple(mark.flipped(axis, plane.image.shape[axis]) for mark in plane.marks),
    )


def _as_column(mask: Mask) -> Mask:
    return mask[:, np.newaxis]


def _or_none(mask: Mask | None, turn: Callable[[Mask], Mask]) -> Mask | None:
    return None if mask is None else turn(mask)


def _title_rank(plane: Plane) -> int:
    name = plane.title.partition(",")[0]
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
