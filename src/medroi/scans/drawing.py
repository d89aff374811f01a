"""The picture from which a person decides whether to trust a setting."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.planes import Plane, dropped_along, middle_of_region, planes_at
from medroi.scans.preview import Mask, Preview
from medroi.scans.scan import require

FORMATS = ("png", "pdf", "svg")

_PAPER, _INK, _FAINT = "#141414", "#f0f0f0", "#a8a8a8"
_OUTLINE, _MISSED = "#35e06f", "#ff2d55"
_TINT = (1.0, 0.62, 0.15)
_NOTHING = (0.10, 0.16, 0.22)
# Top of the low window, as a share of the way from the background to bright tissue.
_LOW_SHARE = 0.15
_WIDTH_IN, _MARGIN_IN = 9.0, 0.25
# A missed voxel is drawn at least this share of the picture wide, or nobody would find it.
_SPECK_SHARE = 1 / 250


@dataclass(frozen=True)
class Row:
    """Planes that share a grey scale."""

    title: str
    planes: list[Plane]
    window: tuple[float, float]


def draw(
    previews: list[Preview], target: Path, picture_format: str, at: tuple[int, ...] | None = None
) -> None:
    """Draw previews of one scan into a picture file.

    One preview is drawn with two grey scales, and all that it drops seen through; of several each
    gets one row, in the grey scale that shows the air.

    Parameters
    ----------
    previews : list of Preview
        Of the same scan.
    target : path
        The file to write.
    picture_format : str
        One of `FORMATS`.
    at : tuple of int, optional
        Voxel of the volume through which the planes go; None is the middle of the first region.

    Raises
    ------
    InnerUnavailable
        Where matplotlib is not installed.
    """
    check_matplotlib()
    at = at or middle_of_region(previews[0])
    if len(previews) == 1:
        rows = _rows_of_one(previews[0], at)
        text = _lines(previews[0])
    else:
        rows = [_row_of_many(preview, at) for preview in previews]
        text = [line for preview in previews for line in (*_lines(preview), "")]
    figure = _figure(rows, text, previews[0])
    figure.savefig(target, facecolor=_PAPER, format=picture_format)


def check_matplotlib() -> None:
    """Refuse where there is no matplotlib.

    Raises
    ------
    InnerUnavailable
    """
    require("matplotlib", "a picture", "show")


def windows_of(preview: Preview) -> tuple[tuple[float, float], tuple[float, float]]:
    """The grey scales that show tissue, and dim tissue and air; from black to white.

    Where tissue is dark both run downwards, so that air is black in every picture.
    """
    voxels = preview.shown.voxels
    found = voxels[preview.shown.tissue] if preview.shown.tissue.any() else voxels
    found = found[np.isfinite(found)]
    air = float(preview.settings["background"])
    if not found.size:
        return (air, air + 1.0), (air, air + 1.0)
    if preview.settings["polarity"] == "dark":
        bright = float(np.percentile(found, 0.5))
    else:
        bright = float(np.percentile(found, 99.5))
    if bright == air:
        bright = air + 1.0
    return (air, bright), (air, air + _LOW_SHARE * (bright - air))


def _rows_of_one(preview: Preview, at: tuple[int, ...]) -> list[Row]:
    planes = planes_at(preview.shown, at)
    tissue, low = windows_of(preview)
    rows = [
        Row("The scan", planes, tissue),
        Row("The same, with a grey scale that shows dim tissue and air", planes, low),
    ]
    dark = preview.settings["polarity"] == "dark"
    through = [] if preview.from_store else dropped_along(preview.shown, dark=dark)
    if through and preview.settings["threshold"] is not None:
        most = "darkest" if dark else "brightest"
        title = f"All that is dropped: the {most} dropped voxel behind each point"
        rows.append(Row(title, through, low))
    return rows


def _row_of_many(preview: Preview, at: tuple[int, ...]) -> Row:
    return Row(preview.setting_text(), planes_at(preview.shown, at), windows_of(preview)[1])


def _lines(preview: Preview) -> list[str]:
    lines = []
    for label, text in preview.rows():
        wrapped = textwrap.wrap(text, 104) or [""]
        lines.append(f"{label:<8} {wrapped[0]}")
        lines += [f"{'':<8} {more}" for more in wrapped[1:]]
    return lines


def _figure(rows: list[Row], text: list[str], preview: Preview) -> Any:
    """Lay rows of planes out, all in one scale of millimetres, above the numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    gap, row_gap, line = 0.12, 0.34, 0.165
    width = _WIDTH_IN - 2 * _MARGIN_IN
    widest_mm = max(sum(plane.size_mm[1] for plane in row.planes) for row in rows)
    tallest_mm = max(plane.size_mm[0] for row in rows for plane in row.planes)
    n_gaps = max(len(row.planes) for row in rows) - 1
    in_per_mm = min((width - gap * n_gaps) / widest_mm, 6.0 / tallest_mm)
    row_height = tallest_mm * in_per_mm
    foot = line * (len(text) + 2.2) + _MARGIN_IN
    height = len(rows) * (row_height + row_gap) + foot
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=110)
    FigureCanvasAgg(figure)
    top = height
    for row in rows:
        top -= row_gap
        _text(figure, _MARGIN_IN, top + 0.09, _row_title(row), height, color=_INK, weight="bold")
        used = sum(p.size_mm[1] for p in row.planes) * in_per_mm + gap * (len(row.planes) - 1)
        left = (_WIDTH_IN - used) / 2
        for plane in row.planes:
            high, wide = (mm * in_per_mm for mm in plane.size_mm)
            low = top - (row_height + high) / 2
            place = (left / _WIDTH_IN, low / height, wide / _WIDTH_IN, high / height)
            _draw_plane(figure.add_axes(place), plane, row.window)
            left += wide + gap
        top -= row_height
    _legend(figure, top - 1.3 * line, height, preview)
    for number, words in enumerate(text):
        at = top - (2.7 + number) * line
        _text(figure, _MARGIN_IN, at, words, height, color=_INK, family="monospace", size=7.6)
    return figure


def _row_title(row: Row) -> str:
    return f"{row.title}: black {row.window[0]:.5g}, white {row.window[1]:.5g}"


def _text(figure: Any, x_in: float, y_in: float, words: str, height: float, **style: Any) -> Any:
    style = {"size": 8.5, **style}
    return figure.text(x_in / _WIDTH_IN, y_in / height, words, va="baseline", **style)


def _legend(figure: Any, y_in: float, height: float, preview: Preview) -> None:
    x = _MARGIN_IN
    entries = [
        ("\u25a0", _OUTLINE, "outline of what is kept"),
        ("\u25a0", _TINT, "dropped: comes back as background"),
    ]
    if not preview.from_store:
        entries.append(("\u25a0", _MISSED, "tissue that is dropped"))
    if preview.shown.directions is not None:
        entries.append(("", _FAINT, "R L A P S I: sides of the patient"))
    for mark, color, words in entries:
        _text(figure, x, y_in, mark, height, color=color)
        _text(figure, x + 0.14, y_in, words, height, color=_FAINT)
        x += 0.14 + 0.066 * len(words) + 0.2


def _draw_plane(axes: Any, plane: Plane, window: tuple[float, float]) -> None:
    from matplotlib.collections import LineCollection

    rows, columns = plane.image.shape
    extent = (0, columns, rows, 0)
    axes.imshow(painted(plane, window), extent=extent, aspect="auto")
    axes.add_collection(LineCollection(outline(plane.kept), colors=_OUTLINE, linewidths=0.9))
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_axis_off()
    style = {"color": _FAINT, "size": 7, "transform": axes.transAxes}
    axes.text(0.015, 0.985, plane.title, ha="left", va="top", **style)
    if plane.edges is None:
        return
    left, right, top, bottom = plane.edges
    for x, y, letter in (
        (0.02, 0.5, left),
        (0.98, 0.5, right),
        (0.5, 0.985, top),
        (0.5, 0.01, bottom),
    ):
        va = "center" if y == 0.5 else "top" if y > 0.5 else "bottom"
        ha = "center" if x == 0.5 else "left" if x < 0.5 else "right"
        axes.text(x, y, letter, ha=ha, va=va, weight="bold", **style)


def painted(plane: Plane, window: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Colours of a plane: grey inside the region, tinted outside, missed tissue red."""
    from matplotlib.colors import to_rgb

    black, white = window
    with np.errstate(invalid="ignore", over="ignore"):
        grey = np.clip((plane.image - black) / (white - black), 0.0, 1.0)
    nothing = np.isnan(grey)
    grey = np.where(nothing, 0.0, grey)
    colours = np.repeat(grey[..., np.newaxis], 3, axis=-1).astype(np.float32)
    outside = ~plane.kept
    # From a dark shade of the tint to its full light, so that whatever is dropped stays readable.
    shade = 0.16 + 0.84 * colours[outside]
    colours[outside] = shade * np.array(_TINT, dtype=np.float32)
    colours[nothing] = _NOTHING
    colours[_grown(plane.missed)] = to_rgb(_MISSED)
    return colours


def _grown(mask: Mask) -> Mask:
    """Widen single voxels of a large image until they can be seen."""
    reach = int(max(mask.shape) * _SPECK_SHARE / 2)
    if reach < 1 or not mask.any():
        return mask
    grown = mask.copy()
    for row, column in np.argwhere(mask):
        grown[
            max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1
        ] = 1
    return grown


def outline(mask: Mask) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Edges between pixels inside and outside, and where the inside meets the picture's border.

    Returns
    -------
    list of ((x, y), (x, y))
        In pixels; straight runs are one piece.
    """
    padded = np.pad(mask, 1)
    lines = []
    for transposed in (False, True):
        area = padded.T if transposed else padded
        # Row r of `steps` tells whether the edge above pixel row r is one, for every column.
        steps = (area[1:] != area[:-1])[:, 1:-1]
        for y in np.flatnonzero(steps.any(axis=1)):
            changes = np.flatnonzero(np.diff(np.concatenate(([0], steps[y].astype(np.int8), [0]))))
            for start, stop in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
                ends = (start, int(y)), (stop, int(y))
                lines.append(tuple(end[::-1] for end in ends) if transposed else ends)
    return lines
