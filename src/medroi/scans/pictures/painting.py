"""From planes to colours and lines; what is drawn, without the library that draws it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medroi.scans.pictures.planes import Plane
from medroi.scans.pictures.preview import Mask, Preview

Colour = tuple[float, float, float]
Window = tuple[float, float]
Line = tuple[tuple[int, int], tuple[int, int]]

TINT: Colour = (1.0, 0.62, 0.15)
MISSED: Colour = (1.0, 0.18, 0.33)
NOTHING: Colour = (0.11, 0.19, 0.27)

# Top of the low window, as a multiple of the way from the background to the top of its noise, and
# where there is none as a share of that to bright tissue.
_ABOVE_NOISE = 1.5
_LOW_SHARE = 0.15
# A missed voxel is drawn at least this share of the picture wide, or nobody would find it.
_SPECK_SHARE = 1 / 250


def windows_of(preview: Preview) -> tuple[Window, Window]:
    """The grey scales that show tissue, and dim tissue and air; from black to white.

    Where tissue is dark both run downwards, so that air is black in every picture.
    """
    voxels = preview.shown.voxels
    found = voxels[preview.shown.tissue] if preview.shown.tissue.any() else voxels
    found = found[np.isfinite(found) & (found != preview.shown.corner_value)]
    air = float(preview.settings["background"])
    if not found.size:
        return (air, air + 1.0), (air, air + 1.0)
    if preview.settings["polarity"] == "dark":
        bright = float(np.percentile(found, 0.5))
    else:
        bright = float(np.percentile(found, 99.5))
    if bright == air:
        bright = air + 1.0
    low = air + _LOW_SHARE * (bright - air)
    if preview.noise_level is not None and preview.noise_level != air:
        low = air + _ABOVE_NOISE * (preview.noise_level - air)
    return (air, bright), (air, low)


def painted(plane: Plane, window: Window) -> npt.NDArray[np.float32]:
    """Colours of a plane: grey inside the region, tinted outside, missed tissue red."""
    black, white = window
    with np.errstate(invalid="ignore", over="ignore"):
        grey = np.clip((plane.image - black) / (white - black), 0.0, 1.0)
    nothing = np.isnan(grey)
    grey = np.where(nothing, 0.0, grey)
    colours = np.repeat(grey[..., np.newaxis], 3, axis=-1).astype(np.float32)
    outside = ~plane.kept
    # From a dark shade of the tint to its full light, so that whatever is dropped stays readable.
    shade = 0.16 + 0.84 * colours[outside]
    colours[outside] = shade * np.array(TINT, dtype=np.float32)
    colours[nothing] = NOTHING
    missed = _grown(plane.missed)
    # Bright losses stand out from specks of noise.
    colours[missed] = (0.4 + 0.6 * colours[missed].max(axis=-1, keepdims=True)) * np.array(MISSED)
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


def contour(mask: Mask) -> list[Line]:
    """Edges between pixels inside and outside, and where the inside meets the picture's border.

    Returns
    -------
    list of ((x, y), (x, y))
        In pixels; straight runs are one piece.
    """
    padded = np.pad(mask, 1)
    lines: list[Line] = []
    for transposed in (False, True):
        area = padded.T if transposed else padded
        # Row r of `steps` tells whether the edge above pixel row r is one, for every column.
        steps = (area[1:] != area[:-1])[:, 1:-1]
        for y in np.flatnonzero(steps.any(axis=1)):
            changes = np.flatnonzero(np.diff(np.concatenate(([0], steps[y].astype(np.int8), [0]))))
            for start, stop in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
                if transposed:
                    lines.append(((int(y), start), (int(y), stop)))
                else:
                    lines.append(((start, int(y)), (stop, int(y))))
    return lines
