"""Marks of dropped groups: where the planes of a picture show the largest ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medroi.roi import Box, DroppedGroup
from medroi.scans.pictures.preview import Preview

_N_MARKED = 5


@dataclass(frozen=True)
class Mark:
    """One dropped group in a plane.

    Attributes
    ----------
    rows, columns : tuple of (int, int)
        Half-open bounds in pixels.
    n_voxels : int
        Of the group.
    is_cut : bool
        Whether the plane goes through the group's bounds; if not, it lies before or behind it.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    n_voxels: int
    is_cut: bool

    def transposed(self) -> Mark:
        """Exchange rows and columns."""
        return replace(self, rows=self.columns, columns=self.rows)

    def flipped(self, axis: int, size: int) -> Mark:
        """Turn an axis of a plane of `size` pixels round."""
        start, stop = self.columns if axis else self.rows
        turned = (size - stop, size - start)
        return replace(self, columns=turned) if axis else replace(self, rows=turned)


def groups_of(preview: Preview) -> list[DroppedGroup]:
    """The largest dropped groups of the volume that is shown, their bounds along its axes alone.

    The bounds of a group say nothing of axes outside the volume. The scan does: the group is here
    if its peak is.
    """
    shown = preview.shown
    found = []
    for group in sorted(preview.dropped_groups, key=lambda group: -group.n_voxels):
        if any(
            not group.box[axis][0] <= at < group.box[axis][1]
            for axis, at in enumerate(shown.index)
            if axis not in shown.axes
        ):
            continue
        bounds = tuple(group.box[axis] for axis in shown.axes)
        here = shown.voxels[tuple(slice(*limits) for limits in bounds)]
        if preview.from_store or (here == group.peak).any():
            found.append(replace(group, box=bounds))
    return found[:_N_MARKED]


def marks_in(
    groups: Sequence[DroppedGroup], axis: int | None, at: int | None, *, n_axes: int
) -> tuple[Mark, ...]:
    """Marks of groups in the plane that cuts a volume across `axis`.

    Parameters
    ----------
    groups : sequence of DroppedGroup
        As `groups_of` returns them.
    axis : int or None
        None for an image that needs no cut.
    at : int or None
        Where it is cut; None looks through all slices.
    n_axes : int
        Of the volume.
    """
    rest = [i for i in range(n_axes) if i != axis]
    marks = []
    for group in groups:
        box: Box = tuple(group.box[i] for i in rest)
        columns = box[1] if len(box) > 1 else (0, 1)
        is_cut = at is None or axis is None or group.box[axis][0] <= at < group.box[axis][1]
        marks.append(Mark(box[0], columns, group.n_voxels, is_cut))
    return tuple(marks)
