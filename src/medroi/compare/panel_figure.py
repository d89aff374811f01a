"""Figure 3: one slice as each codec gives it back, its error, and the region's contour."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.compare.drawing import (
    BOX_COLOUR,
    FAINT,
    INK,
    MASK_COLOUR,
    REGIONS,
    new_figure,
    save,
)
from medroi.compare.results import region_named
from medroi.errors import InvalidArgument

Array = npt.NDArray[Any]

_WIDTH_IN, _HEAD_IN, _LABEL_IN, _GAP_IN, _BAR_IN = 12.0, 0.46, 1.25, 0.05, 0.75
_ERROR_COLOURS = "RdBu_r"
# Of the errors in the mask: a few extreme ones must not make all others white.
_ERROR_PERCENTILE = 99.5


@dataclasses.dataclass(frozen=True)
class Slice:
    """One slice of one scan and what came back of it.

    Attributes
    ----------
    original : ndarray
        2-D, stored units.
    box : (int, int, int, int)
        Rows and columns of the box, half-open; empty where the slice has none.
    mask : ndarray of bool
        Shape of `original`.
    decoded : dict
        Decoded slices by (inner, level), then by region; of lossless codecs only where there are
        no others.
    aspect : float
        Height over width of a voxel.
    """

    original: Array
    box: tuple[int, int, int, int]
    mask: Array
    decoded: dict[tuple[str, str], dict[str, Array]]
    aspect: float = 1.0


def read_slice(path: str | Path) -> Slice:
    """Read state/panel.npz.

    Raises
    ------
    InvalidArgument
        Where an array is missing or does not have the slice's shape.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = {_current(name): archive[name] for name in archive.files}
    missing = {"original", "box", "mask"} - set(arrays)
    if missing:
        raise InvalidArgument(f"{path}: no array {sorted(missing)[0]!r}; found {sorted(arrays)}")
    original, mask = arrays["original"], arrays["mask"].astype(bool)
    decoded: dict[tuple[str, str], dict[str, Array]] = {}
    for name, array in arrays.items():
        if array.shape != original.shape and name.startswith(("decoded/", "mask")):
            raise InvalidArgument(f"{path}: {name!r} is {array.shape}, expected {original.shape}")
        if name.startswith("decoded/"):
            _, inner, *level, region = name.split("/")
            decoded.setdefault((inner, "/".join(level)), {})[region] = array
    row0, row1, column0, column1 = (int(edge) for edge in arrays["box"])
    if bool(arrays.get("flip", False)):
        original, mask, n_rows = original[::-1], mask[::-1], len(original)
        row0, row1 = n_rows - row1, n_rows - row0
        decoded = {m: {r: a[::-1] for r, a in by.items()} for m, by in decoded.items()}
    # What comes back exactly has no error to show.
    shown = {m: r for m, r in decoded.items() if not _is_exact(original, r)}
    aspect = float(arrays["aspect"]) if "aspect" in arrays else 1.0
    return Slice(original, (row0, row1, column0, column1), mask, shown or decoded, aspect)


def _current(name: str) -> str:
    """Return the name of an array, which ends with a region's in some."""
    *parents, last = name.split("/")
    return "/".join([*parents, region_named(last)])


def _is_exact(original: Array, by_region: Mapping[str, Array]) -> bool:
    return "full" in by_region and np.array_equal(original, by_region["full"])


def plot_panel(panel_npz: str | Path, path: str | Path) -> None:
    """Draw a row for each codec: decoded full, box and mask, then their errors in one colour scale.

    Parameters
    ----------
    panel_npz : path
        The engine's state/panel.npz.
    path : path
        PNG to write.

    Raises
    ------
    InvalidArgument
        Where the file holds no slice.
    InnerUnavailable
        Where matplotlib is not installed.
    """
    shown = read_slice(panel_npz)
    tile_in = (_WIDTH_IN - _LABEL_IN - _BAR_IN - 6 * _GAP_IN) / 6
    height, width = shown.original.shape
    # Very tall slices are cut down by their aspect rather than by leaving voxels out.
    tall_in = min(2.2, height / width * shown.aspect) * tile_in
    total_in = _HEAD_IN + (1 + len(shown.decoded)) * (tall_in + _GAP_IN) + 0.34
    place = _Placing(new_figure(_WIDTH_IN, total_in), total_in, tile_in, tall_in)
    limit = error_limit(shown)
    place.head(("original", "and the regions kept"), 0, 0)
    _picture(place.axes(0, 0), shown, shown.original)
    contoured = place.axes(0, 1)
    _picture(contoured, shown, shown.original)
    _contour(contoured, shown, REGIONS)
    _key(place.axes(0, 2))
    for at, (method, by_region) in enumerate(shown.decoded.items(), 1):
        place.label(at, *method)
        bar = _method_row(place, at, shown, by_region, limit)
        if at == 1 and bar is not None:
            place.bar(bar)
    save(place.figure, path)


def error_limit(shown: Slice) -> float:
    """Stored units at the ends of the colour scale, which holds nearly all errors in the mask."""
    inside = shown.mask if shown.mask.any() else np.ones(shown.original.shape, bool)
    errors = [
        np.abs(_error(shown, array)[inside]).ravel()
        for by_region in shown.decoded.values()
        for array in by_region.values()
    ]
    found = float(np.percentile(np.concatenate(errors), _ERROR_PERCENTILE)) if errors else 0.0
    return found if found > 0 else 1.0


def _error(shown: Slice, decoded: Array) -> Array:
    difference = decoded.astype(np.float64) - shown.original.astype(np.float64)
    return np.nan_to_num(difference, posinf=0.0, neginf=0.0)


def _method_row(
    place: _Placing, at: int, shown: Slice, by_region: Mapping[str, Array], limit: float
) -> Any:
    """Draw what came back of one method; the last error map."""
    drawn = None
    for column, region in enumerate(REGIONS):
        for first, what in ((0, "decoded"), (3, "error")):
            axes = place.axes(at, first + column)
            if at == 1:
                axes.set_title(f"{what}, {region}", fontsize=8.5, color=INK, pad=3)
            if region not in by_region:
                axes.text(0.5, 0.5, "none", ha="center", va="center", color=FAINT, fontsize=8)
                continue
            if first == 0:
                _picture(axes, shown, by_region[region])
            else:
                scale = {"cmap": _ERROR_COLOURS, "vmin": -limit, "vmax": limit}
                error = _error(shown, by_region[region])
                drawn = axes.imshow(error, **scale, aspect="auto", interpolation="nearest")
            _contour(axes, shown, (region,))
    return drawn


def _picture(axes: Any, shown: Slice, array: Array) -> None:
    """Grey, in the grey scale of the original for every picture."""
    finite = shown.original[np.isfinite(shown.original)]
    low, high = (float(v) for v in np.percentile(finite, (0.5, 99.5))) if finite.size else (0, 1)
    scale = {"cmap": "gray", "vmin": low, "vmax": max(high, low + 1e-9)}
    axes.imshow(array, **scale, aspect="auto", interpolation="nearest")


def _contour(axes: Any, shown: Slice, regions: tuple[str, ...]) -> None:
    row0, row1, column0, column1 = shown.box
    if "box" in regions and row1 > row0 and column1 > column0:
        x = [column0 - 0.5, column1 - 0.5, column1 - 0.5, column0 - 0.5, column0 - 0.5]
        y = [row0 - 0.5, row0 - 0.5, row1 - 0.5, row1 - 0.5, row0 - 0.5]
        axes.plot(x, y, color=BOX_COLOUR, linewidth=1.0, scalex=False, scaley=False)
    if "mask" in regions and shown.mask.any() and not shown.mask.all():
        axes.contour(shown.mask, levels=[0.5], colors=MASK_COLOUR, linewidths=0.9)


def _key(axes: Any) -> None:
    axes.set_facecolor("none")
    lines = (
        ("box: outside it all voxels are discarded", BOX_COLOUR),
        ("mask: outside it too", MASK_COLOUR),
        ("Every grey picture has the grey scale of the", INK),
        ("original, every error map the same colours.", INK),
        ("Errors outside a region: the air it discards.", INK),
    )
    for at, (text, colour) in enumerate(lines):
        shade = {"color": INK, "fontsize": 8, "va": "center", "clip_on": False}
        y = 0.93 - 0.09 * at
        if colour != INK:
            axes.plot([0.02, 0.12], [y, y], color=colour, linewidth=2)
        axes.text(0.16 if colour != INK else 0.02, y, text, **shade)
    axes.set(xlim=(0, 1), ylim=(0, 1))


@dataclasses.dataclass(frozen=True)
class _Placing:
    """Places on the figure by row and column of tiles, in inches from its upper left corner."""

    figure: Any
    total_in: float
    tile_in: float
    tall_in: float

    def axes(self, row: int, column: int) -> Any:
        left = _LABEL_IN + column * (self.tile_in + _GAP_IN)
        return self._framed(left, self._top(row) + self.tall_in, self.tile_in, self.tall_in)

    def _top(self, row: int) -> float:
        # The titles of the columns stand between the original and the codecs.
        return _HEAD_IN + row * (self.tall_in + _GAP_IN) + (0.24 if row else 0.0)

    def _framed(self, left: float, bottom: float, width: float, height: float) -> Any:
        from_below = self.total_in - bottom
        shares = (left / _WIDTH_IN, from_below / self.total_in)
        axes = self.figure.add_axes((*shares, width / _WIDTH_IN, height / self.total_in))
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def head(self, texts: tuple[str, ...], row: int, column: int) -> None:
        for at, text in enumerate(texts):
            left = _LABEL_IN + (column + at) * (self.tile_in + _GAP_IN) + self.tile_in / 2
            y = 1 - (self._top(row) - 0.1) / self.total_in
            self.figure.text(left / _WIDTH_IN, y, text, ha="center", fontsize=8.5, color=INK)

    def label(self, row: int, inner: str, level: str) -> None:
        y = 1 - (self._top(row) + self.tall_in / 2) / self.total_in
        x = (_LABEL_IN - 0.08) / _WIDTH_IN
        self.figure.text(x, y, f"{inner}\n{level}", ha="right", va="center", fontsize=8.5)

    def bar(self, drawn: Any) -> None:
        left = _LABEL_IN + 6 * (self.tile_in + _GAP_IN) + 0.03
        axes = self._framed(left, self._top(1) + self.tall_in, 0.12, self.tall_in)
        bar = self.figure.colorbar(drawn, cax=axes, extend="both")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.set_label("decoded - original, stored units", fontsize=7)
