"""The picture from which a person decides whether to trust a setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medroi.scans.pictures.marks import Mark
from medroi.scans.pictures.painting import MISSED, NOTHING, TINT, contour, painted
from medroi.scans.pictures.sheet import Panel, Sheet
from medroi.scans.scan import require

FORMATS = ("png", "pdf", "svg")

_PAPER, _INK, _FAINT, _CONTOUR, _OTHER = "#141414", "#f0f0f0", "#a8a8a8", "#35e06f", "#4fc3ff"
_GROUP = "#ffe14d"
_GROUP_ROOM = 1 / 60  # of the picture, between a group and its frame
# Place of the letters left, right, top and bottom of a plane, and how they are aligned there.
_EDGES = (
    (0.02, 0.5, "left", "center"),
    (0.98, 0.5, "right", "center"),
    (0.5, 0.985, "center", "top"),
    (0.5, 0.015, "center", "bottom"),
)
_WIDTH_IN, _TALLEST_IN, _MARGIN_IN, _DPI = 9.0, 6.0, 0.25, 110
_GAP_IN, _ROW_GAP_IN, _LINE_IN = 0.14, 0.46, 0.165


def draw(sheet: Sheet, target: Path, picture_format: str) -> None:
    """Draw a sheet into a file.

    Parameters
    ----------
    sheet : Sheet
        What to draw.
    target : path
        The file to write.
    picture_format : str
        One of `FORMATS`.

    Raises
    ------
    InnerUnavailable
        Where matplotlib is not installed.
    """
    check_matplotlib()
    _figure(sheet).savefig(target, facecolor=_PAPER, format=picture_format)


def check_matplotlib() -> None:
    """Refuse where there is no matplotlib.

    Raises
    ------
    InnerUnavailable
    """
    require("matplotlib", "a picture", "show")


def _figure(sheet: Sheet) -> Any:
    """Lay rows of planes out, all in one scale of millimetres, above the numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    in_per_mm = _scale(sheet)
    heights = [max(panel.plane.size_mm[0] for panel in row.panels) for row in sheet.rows]
    above_foot = sum(heights) * in_per_mm + len(heights) * _ROW_GAP_IN
    height = above_foot + _LINE_IN * (len(sheet.lines) + 2.2) + _MARGIN_IN
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    write = _Writer(figure, height)
    top = height
    for row, tallest_mm in zip(sheet.rows, heights, strict=True):
        top -= _ROW_GAP_IN
        write.text(_MARGIN_IN, top + 0.22, row.title, color=_INK, weight="bold")
        left = _MARGIN_IN
        for panel in row.panels:
            high, wide = (mm * in_per_mm for mm in panel.plane.size_mm)
            write.text(left, top + 0.06, panel.plane.title, color=_FAINT, size=7)
            _draw_panel(write.axes(left, top - high, wide, high), panel)
            left += wide + _GAP_IN
        top -= tallest_mm * in_per_mm
    _legend(write, top - 1.3 * _LINE_IN, sheet)
    for number, words in enumerate(sheet.lines):
        y = top - (2.7 + number) * _LINE_IN
        write.text(_MARGIN_IN, y, words, color=_INK, family="monospace", size=7.6)
    return figure


def _scale(sheet: Sheet) -> float:
    """Inches per millimetre with which every row fits into the width."""
    scales = [_TALLEST_IN / max(p.plane.size_mm[0] for row in sheet.rows for p in row.panels)]
    for row in sheet.rows:
        width = _WIDTH_IN - 2 * _MARGIN_IN - _GAP_IN * (len(row.panels) - 1)
        scales.append(width / sum(panel.plane.size_mm[1] for panel in row.panels))
    return min(scales)


class _Writer:
    """Puts things on a figure in inches from its lower left corner."""

    def __init__(self, figure: Any, height_in: float) -> None:
        self._figure, self._height_in = figure, height_in

    def text(self, x_in: float, y_in: float, words: str, **style: Any) -> None:
        style = {"size": 8.5, "va": "baseline", **style}
        # A dollar in a name is no formula.
        style["parse_math"] = False
        self._figure.text(x_in / _WIDTH_IN, y_in / self._height_in, words, **style)

    def axes(self, x_in: float, y_in: float, width_in: float, height_in: float) -> Any:
        place = (x_in / _WIDTH_IN, y_in / self._height_in)
        size = (width_in / _WIDTH_IN, height_in / self._height_in)
        return self._figure.add_axes((*place, *size))


def _legend(write: _Writer, y_in: float, sheet: Sheet) -> None:
    entries: list[tuple[Any, str]] = [(_CONTOUR, sheet.kept)]
    if sheet.other:
        entries.append((_OTHER, sheet.other))
    entries.append((TINT, "dropped: becomes background"))
    if sheet.has_missed:
        entries.append((MISSED, "tissue, yet dropped"))
    if any(panel.plane.marks for row in sheet.rows for panel in row.panels):
        entries.append((_GROUP, "dropped group"))
    if sheet.has_lines_of_sight:
        entries.append((NOTHING, "nothing dropped behind"))
    x = _MARGIN_IN
    for color, words in entries:
        write.text(x, y_in, "\u25a0", color=color, size=11)
        write.text(x + 0.16, y_in, words, color=_FAINT)
        x += 0.16 + 0.064 * len(words) + 0.22


def _draw_panel(axes: Any, panel: Panel) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import withStroke

    plane = panel.plane
    rows, columns = plane.image.shape
    extent = (0, columns, rows, 0)
    axes.imshow(painted(plane, panel.window), extent=extent, aspect="auto")
    # Not clipped: the region often ends at the border of the picture.
    for mask, color in ((plane.other, _OTHER), (plane.kept, _CONTOUR)):
        if mask is not None:
            lines = LineCollection(contour(mask), colors=color, linewidths=0.9, clip_on=False)
            axes.add_collection(lines)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_axis_off()
    for mark in plane.marks:
        _draw_mark(axes, mark, rows, columns)
    if plane.edges is None:
        return
    letters = zip(plane.edges, _EDGES, strict=True)
    for letter, (x, y, across, down) in letters:
        drawn = axes.text(x, y, letter, ha=across, va=down, color=_INK, size=8, weight="bold")
        drawn.set_transform(axes.transAxes)
        drawn.set_path_effects([withStroke(linewidth=2, foreground=_PAPER)])


def _draw_mark(axes: Any, mark: Mark, rows: int, columns: int) -> None:
    """Frame a dropped group and write its voxels beside it; dashed where the plane misses it."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    room = max(rows, columns) * _GROUP_ROOM
    (top, bottom), (left, right) = mark.rows, mark.columns
    frame = Rectangle(
        (left - room, top - room),
        right - left + 2 * room,
        bottom - top + 2 * room,
        fill=False,
        edgecolor=_GROUP,
        linewidth=1.1,
        linestyle="-" if mark.is_cut else ":",
        clip_on=False,
    )
    axes.add_patch(frame)
    on_the_right = right + room > 0.8 * columns
    drawn = axes.text(
        left - 1.3 * room if on_the_right else right + 1.3 * room,
        (top + bottom) / 2,
        str(mark.n_voxels),
        ha="right" if on_the_right else "left",
        va="center",
        color=_GROUP,
        size=7,
    )
    drawn.set_path_effects([withStroke(linewidth=2, foreground=_PAPER)])
