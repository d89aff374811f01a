"""The figures of a report."""

from medroi.compare.panel_figure import plot_panel
from medroi.compare.rate_distortion import plot_rate_distortion

__all__ = ["plot_panel", "plot_rate_distortion"]
