"""Figure 2: what quality costs, for every codec with and without a region."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from medroi.compare.drawing import COLOURS, FAINT, INK, REGIONS, dress_over_bits, new_figure, save
from medroi.compare.results import ResultRow
from medroi.errors import InvalidArgument

PROTOCOL = "medroi"
_STYLES = {"full": ("o", "-"), "box": ("s", "--"), "mask": ("^", ":")}
_PANEL_WIDTH_IN, _PANEL_HEIGHT_IN, _LEGEND_IN, _MOST_COLUMNS = 4.6, 4.2, 1.9, 2
# dB between the highest finite point and the line on which lossless codecs stand.
_LOSSLESS_ABOVE_DB = 6.0


@dataclasses.dataclass(frozen=True)
class Point:
    """The mean of one codec at one level and region over the scans of a data set.

    Attributes
    ----------
    bits_per_voxel : float
        Of the full volume.
    psnr_db : float
        Infinity where the codec gives every full volume back exactly.
    """

    inner: str
    level: str
    region: str
    bits_per_voxel: float
    psnr_db: float


def points_of(rows: Iterable[ResultRow], data_set: str) -> list[Point]:
    """Means over the scans of a data set, in the order in which the rows name them."""
    groups: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    for row in rows:
        measured = row.status == "ok" and row.bpv_volume is not None and row.psnr_db is not None
        if row.data_set == data_set and row.protocol == PROTOCOL and measured:
            assert row.bpv_volume is not None
            assert row.psnr_db is not None
            key = (row.inner, row.level, row.region)
            groups.setdefault(key, []).append((row.bpv_volume, row.psnr_db))
    found = []
    for key, pairs in groups.items():
        # A lossless codec stays one where its region leaves out voxels: that is its miss rate.
        judged = groups.get((*key[:2], "full"), pairs)
        lossless = not any(math.isfinite(psnr_db) for _, psnr_db in judged)
        finite = [psnr_db for _, psnr_db in pairs if math.isfinite(psnr_db) and not lossless]
        psnr_db = fmean(finite) if finite else math.inf
        found.append(Point(*key, fmean(bpv for bpv, _ in pairs), psnr_db))
    return found


def plot_rate_distortion(rows: Sequence[ResultRow], path: str | Path) -> None:
    """Draw PSNR over bits per voxel, one panel for each data set.

    Parameters
    ----------
    rows : sequence of ResultRow
        Of results.csv. Only this project's protocol is drawn: the published PSNR is that of other
        voxels, in other units.
    path : path
        PNG to write.

    Raises
    ------
    InvalidArgument
        Where no row has both figures.
    InnerUnavailable
        Where matplotlib is not installed.
    """
    data_sets = list(dict.fromkeys(row.data_set for row in rows))
    panels = {name: points for name in data_sets if (points := points_of(rows, name))}
    if not panels:
        raise InvalidArgument("no rate-distortion plot: no row has bits per voxel and PSNR")
    inners = list(dict.fromkeys(p.inner for points in panels.values() for p in points))
    colours = {inner: COLOURS[at % len(COLOURS)] for at, inner in enumerate(inners)}
    n_columns = min(_MOST_COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    width_in = n_columns * _PANEL_WIDTH_IN + _LEGEND_IN
    figure = new_figure(width_in, n_rows * _PANEL_HEIGHT_IN)
    for at, (name, points) in enumerate(panels.items()):
        axes = figure.add_subplot(n_rows, n_columns, at + 1)
        _draw(axes, points, colours)
        axes.set_title(name, fontsize=10, color=INK, loc="left", weight="bold")
    figure.tight_layout(rect=(0, 0, 1 - _LEGEND_IN / width_in, 1))
    _legend(figure, colours, 1 - (_LEGEND_IN - 0.05) / width_in)
    save(figure, path)


def _draw(axes: Any, points: list[Point], colours: dict[str, str]) -> None:
    finite_db = [point.psnr_db for point in points if math.isfinite(point.psnr_db)]
    lossless_db = (max(finite_db) if finite_db else 50.0) + _LOSSLESS_ABOVE_DB
    for inner, colour in colours.items():
        for region in REGIONS:
            marker, line = _STYLES[region]
            own = [p for p in points if p.inner == inner and p.region == region]
            look = {"color": colour, "marker": marker, "markersize": 5.5, "markeredgewidth": 1.1}
            look |= {"markerfacecolor": colour if region == "full" else "white"}
            curve = sorted((p.bits_per_voxel, p.psnr_db) for p in own if math.isfinite(p.psnr_db))
            if curve:
                x, y = zip(*curve, strict=True)
                axes.plot(x, y, linestyle=line, linewidth=1.3, **look)
            exact = [p.bits_per_voxel for p in own if not math.isfinite(p.psnr_db)]
            if exact:
                axes.plot(exact, [lossless_db] * len(exact), linestyle="none", **look)
    _dress(axes, points, lossless_db)


def _dress(axes: Any, points: list[Point], lossless_db: float) -> None:
    dress_over_bits(axes, "PSNR over the signal voxels, dB")
    if any(not math.isfinite(point.psnr_db) for point in points):
        axes.axhspan(lossless_db - 2, lossless_db + 2, color="#f1f3f5", zorder=0)
        place = {"xy": (0.01, lossless_db), "xycoords": ("axes fraction", "data")}
        axes.annotate("lossless codecs", **place, fontsize=8, color=FAINT, va="center")
        axes.set_ylim(top=lossless_db + 2)
        # Within the band the axis is no scale of dB.
        lowest, below = axes.get_ylim()[0], lossless_db - 2
        axes.set_yticks([tick for tick in axes.get_yticks() if lowest <= tick < below])


def _legend(figure: Any, colours: dict[str, str], left: float) -> None:
    from matplotlib.lines import Line2D

    codecs = [Line2D([], [], color=colour, linewidth=3, label=i) for i, colour in colours.items()]
    regions = []
    for region, (marker, line) in _STYLES.items():
        inside = FAINT if region == "full" else "white"
        look: dict[str, Any] = {"marker": marker, "linestyle": line, "markerfacecolor": inside}
        regions.append(Line2D([], [], color=FAINT, label=region, **look))
    for title, handles, top in (("inner codec", codecs, 0.97), ("region", regions, None)):
        place = {"loc": "upper left", "bbox_to_anchor": (left, top)}
        if top is None:
            place = {"loc": "lower left", "bbox_to_anchor": (left, 0.08)}
        figure.legend(
            handles=handles,
            title=title,
            frameon=False,
            fontsize=8.5,
            alignment="left",
            title_fontsize=8.5,
            **place,
        )
