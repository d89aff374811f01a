"""Content of the picture: rows of planes with their grey scales, and the numbers below."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

from medroi.scans.pictures.marks import groups_of
from medroi.scans.pictures.painting import Window, windows_of
from medroi.scans.pictures.planes import Plane, dropped_along, middle_of_region, planes_at
from medroi.scans.pictures.preview import Preview

_LINE_CHARACTERS = 104


@dataclass(frozen=True)
class Panel:
    """One plane and the stored values that are drawn black and white."""

    plane: Plane
    window: Window


@dataclass(frozen=True)
class Row:
    """Panels side by side."""

    title: str
    panels: list[Panel]


@dataclass(frozen=True)
class Sheet:
    """The whole picture.

    Attributes
    ----------
    rows : list of Row
    lines : list of str
        The numbers, as text of one width.
    has_missed : bool
        Whether tissue that is dropped can be seen: a store has no more.
    has_lines_of_sight : bool
        Whether a row looks through all that is dropped.
    kept, other : str
        What the legend calls the contours: that of what is kept, and that of the other kind of
        region where there is one, or nothing.
    """

    rows: list[Row]
    lines: list[str]
    has_missed: bool
    has_lines_of_sight: bool
    kept: str = "contour of what is kept"
    other: str = ""


def sheet_of(previews: list[Preview], at: tuple[int, ...] | None = None) -> Sheet:
    """Decide what is drawn.

    Of one preview: the planes with two grey scales, and what is dropped seen through. Of several:
    one row for each, in the grey scale of the first that shows the air.
    """
    first = previews[0]
    at = middle_of_region(first) if at is None else at
    if len(previews) > 1:
        return Sheet(_rows_of_many(previews, at), _lines_of_many(previews), True, False)
    rows = _rows_of_one(first, at)
    through = _row_of_dropped(first)
    lines = _wrapped(first.rows())
    kept, other = "contour of what is kept", ""
    if first.other_roi:
        kept, other = f"{first.settings['roi']}: kept", first.other_roi
    return Sheet(rows + through, lines, not first.from_store, bool(through), kept, other)


def _rows_of_one(preview: Preview, at: tuple[int, ...]) -> list[Row]:
    planes = planes_at(preview.shown, at, groups_of(preview))
    tissue, low = windows_of(preview)
    if len(planes) == 1:
        shades = [
            Panel(replace(planes[0], title=_with_window(planes[0].title, window)), window)
            for window in (tissue, low)
        ]
        return [Row("The image, and the same with a grey scale that shows dim tissue", shades)]
    what = f"The scan{_place(preview)}"
    again = "The same with a grey scale that shows dim tissue and air"
    return [
        Row(_with_window(what, tissue), [Panel(plane, tissue) for plane in planes]),
        Row(_with_window(again, low), [Panel(plane, low) for plane in planes]),
    ]


def _row_of_dropped(preview: Preview) -> list[Row]:
    if preview.from_store or preview.settings["threshold"] is None:
        return []
    dark = preview.settings["polarity"] == "dark"
    planes = dropped_along(preview.shown, dark=dark, groups=groups_of(preview))
    if not planes:
        return []
    low = windows_of(preview)[1]
    most = "darkest" if dark else "brightest"
    title = f"All that is dropped: the {most} dropped voxel behind each point"
    return [Row(_with_window(title, low), [Panel(plane, low) for plane in planes])]


def _rows_of_many(previews: list[Preview], at: tuple[int, ...]) -> list[Row]:
    low = windows_of(previews[0])[1]
    return [
        Row(
            f"{number}. {preview.settings['roi']}, {preview.setting_text()}",
            [Panel(plane, low) for plane in planes_at(preview.shown, at, groups_of(preview))],
        )
        for number, preview in enumerate(previews, 1)
    ]


def _lines_of_many(previews: list[Preview]) -> list[str]:
    lines = [_with_window("The grey scale shows dim tissue and air", windows_of(previews[0])[1])]
    lines += _wrapped(previews[0].rows()[:1])
    for number, preview in enumerate(previews, 1):
        rows = [row for row in preview.rows() if row[0] not in ("scan", "setting")]
        lines += _wrapped([(f"{number}. {rows[0][0]}", rows[0][1]), *rows[1:]])
    return lines


def _with_window(title: str, window: Window) -> str:
    return f"{title}: black {window[0]:.5g}, white {window[1]:.5g}"


def _place(preview: Preview) -> str:
    """Number of the volume that is shown, of several."""
    shown = preview.shown
    others = [axis for axis in range(len(preview.shape)) if axis not in shown.axes]
    places = [
        f"{preview.axis_names[axis]} {shown.index[axis]} of {preview.shape[axis]}"
        for axis in others
    ]
    return f", {', '.join(places)}" if places else ""


def _wrapped(rows: list[tuple[str, str]]) -> list[str]:
    lines = []
    for label, text in rows:
        first, *more = textwrap.wrap(text, _LINE_CHARACTERS) or [""]
        lines.append(f"{label:<10} {first}")
        lines += [f"{'':<10} {line}" for line in more]
    return lines
