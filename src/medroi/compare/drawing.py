"""Library, colours and words that the figures of a report share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medroi.scans.scan import require

REGIONS = ("full", "box", "mask")
PAPER, INK, FAINT = "#ffffff", "#1c1f24", "#7a828c"
# Okabe and Ito's colours, distinct with any colour vision, the palest last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999")
BOX_COLOUR, MASK_COLOUR = "#E69F00", "#35C98B"
DPI = 130


def check_matplotlib() -> None:
    """Refuse where there is no matplotlib.

    Raises
    ------
    InnerUnavailable
    """
    require("matplotlib", "the picture of a report", "compare")


def new_figure(width_in: float, height_in: float) -> Any:
    """An empty figure that needs no display and no global state of matplotlib."""
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def save(figure: Any, path: str | Path) -> None:
    """Write a figure as PNG, without the date and the version that would change its bytes."""
    figure.savefig(path, format="png", facecolor=PAPER, metadata={"Software": None})


def dress_over_bits(axes: Any, title: str) -> None:
    """Dress a panel whose horizontal axis is bits per voxel, on a logarithmic scale."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("bits per voxel of the full volume, all bytes counted", fontsize=8.5)
    axes.set_ylabel(title, fontsize=8.5)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(color="#e3e6ea", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
