"""Figures of the evidence: each quantity over bits per voxel, a curve for every codec."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from medroi.compare.drawing import COLOURS, FAINT, INK, dress_over_bits, new_figure, save
from medroi.compare.evidence.rows import EvidenceRow
from medroi.compare.evidence.summary import QUANTITIES, grouped
from medroi.compare.subject import REGIONS
from medroi.errors import InvalidArgument

_PANEL_WIDTH_IN, _PANEL_HEIGHT_IN, _LEGEND_IN = 4.2, 3.2, 1.7


@dataclasses.dataclass(frozen=True)
class Line:
    """A published figure that a panel shows as a line, in the unit of its quantity."""

    value: float
    words: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """One figure: a panel for each of some quantities.

    Attributes
    ----------
    file : str
    title : str
    names : tuple of str
        Fields of `EvidenceRow`.
    lines : mapping
        References by field.
    """

    file: str
    title: str
    names: tuple[str, ...]
    lines: Mapping[str, Sequence[Line]] = dataclasses.field(default_factory=dict)


PICTURES = (
    Picture(
        "evidence_noise.png",
        "Error and noise",
        ("error_per_noise", "residual_autocorrelation"),
        {"error_per_noise": (Line(1.0, "error as large as the noise"),)},
    ),
    Picture(
        "evidence_spectrum.png",
        "What is left of the noise's power",
        ("spectrum_low", "spectrum_middle", "spectrum_high"),
    ),
    Picture("evidence_fidelity.png", "Fidelity in the display window", ("vif", "haarpsi")),
    Picture(
        "evidence_tissue.png",
        "Tissue classes",
        ("volume_change", "least_dice"),
        {
            "volume_change": (
                Line(0.96, "brain volume, scan and rescan (SIENAX, median)"),
                Line(1.6, "structures, least of scan and rescan (FreeSurfer)"),
            )
        },
    ),
    Picture(
        "evidence_texture.png",
        "First-order features and texture",
        ("sd_change", "contrast_change", "energy_change"),
    ),
)


def draw(rows: Sequence[EvidenceRow], picture: Picture, path: str | Path) -> None:
    """Draw a figure: quantities from left to right, data sets from top to bottom.

    Parameters
    ----------
    rows : sequence of EvidenceRow
        The region furthest from the full volume is drawn.
    picture : Picture
    path : path
        PNG to write.

    Raises
    ------
    InvalidArgument
        Where there is nothing to draw.
    InnerUnavailable
        Where matplotlib is not installed.
    """
    present = [region for region in REGIONS if any(row.region == region for row in rows)]
    own = [row for row in rows if present and row.region == present[-1]]
    own = [row for row in own if any(getattr(row, name) is not None for name in picture.names)]
    if not own:
        raise InvalidArgument(f"no figure of {picture.title!r}: no codec has these numbers")
    data_sets = list(dict.fromkeys(row.data_set for row in own))
    inners = list(dict.fromkeys(row.inner for row in own))
    colours = {inner: COLOURS[at % len(COLOURS)] for at, inner in enumerate(inners)}
    width_in = len(picture.names) * _PANEL_WIDTH_IN + _LEGEND_IN
    figure = new_figure(width_in, len(data_sets) * _PANEL_HEIGHT_IN + 0.3)
    for row_at, data_set in enumerate(data_sets):
        members = [row for row in own if row.data_set == data_set]
        for at, name in enumerate(picture.names):
            place = row_at * len(picture.names) + at + 1
            axes = figure.add_subplot(len(data_sets), len(picture.names), place)
            _draw(axes, members, name, colours, picture.lines.get(name, ()))
            if not at:
                axes.set_title(data_set, fontsize=9.5, color=INK, loc="left", weight="bold")
    figure.tight_layout(rect=(0, 0, 1 - _LEGEND_IN / width_in, 1))
    _legend(figure, colours, 1 - (_LEGEND_IN - 0.05) / width_in)
    save(figure, path)


def _draw(
    axes: Any, rows: list[EvidenceRow], name: str, colours: dict[str, str], lines: Sequence[Line]
) -> None:
    quantity = next(q for q in QUANTITIES if q.name == name)
    points: dict[str, list[tuple[float, float]]] = {}
    for (inner, _, _), members in grouped(rows).items():
        bits = [row.bpv_volume for row in members if row.bpv_volume is not None]
        value = quantity.of(members)
        if bits and value is not None:
            points.setdefault(inner, []).append((fmean(bits), value))
    for inner, found in points.items():
        x, y = zip(*sorted(found), strict=True)
        axes.plot(x, y, marker="o", markersize=4.5, linewidth=1.2, color=colours[inner])
    for line in lines:
        axes.axhline(line.value, color=FAINT, linewidth=0.8, linestyle="--")
        where = {"xy": (0.99, line.value), "xycoords": ("axes fraction", "data")}
        axes.annotate(line.words, **where, fontsize=6.5, color=FAINT, ha="right", va="bottom")
    unit = f" ({quantity.unit})" if quantity.unit else ""
    dress_over_bits(axes, f"{quantity.title}{unit}")


def _legend(figure: Any, colours: dict[str, str], left: float) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, marker="o", label=i) for i, colour in colours.items()]
    figure.legend(
        handles=handles,
        title="inner codec",
        loc="upper left",
        bbox_to_anchor=(left, 0.97),
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        alignment="left",
    )
