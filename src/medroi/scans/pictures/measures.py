"""References for a setting: the tissue of the whole scan, and the other kind of region."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import arrays, roi
from medroi.scans.fitting import fitted_codec
from medroi.scans.scan import Scan
from medroi.scans.stores.readback import number

Mask = npt.NDArray[np.bool_]

# "hull" is an earlier name of "mask", which arguments may still have.
OTHER_REGION = {"box": "mask", "mask": "box", "hull": "box"}


def enclosed_mask(
    voxels: npt.NDArray[Any],
    config: dict[str, Any],
    threshold: str | float | None,
    padding_values: roi.PaddingValues | None = None,
) -> Mask | None:
    """Mark the foreground mask of a whole array, but for background.

    `MedROI.fit` promises that the chunks keep these voxels, all but a share of `max_miss_rate`.

    Parameters
    ----------
    voxels : ndarray
        The whole array.
    config : dict
        The fitted codec's.
    threshold : str, float or None
        What was asked for before the fit.
    padding_values : tuple of float, optional
        As `MedROI.fit` was given them.

    Returns
    -------
    ndarray of bool, or None
        None where nothing has such a mask: without a threshold, and for arrays that are no images.
    """
    if threshold is None or config["threshold"] is None or voxels.ndim < 2 or not voxels.size:
        return None
    names = ("polarity", "roi", "padding", "max_miss_rate", "components")
    options = roi.RegionOptions(
        **{name: config[name] for name in names},
        threshold=threshold,
        background=number(config["background"]),
        axes=None if config["axes"] is None else tuple(config["axes"]),
    )
    dense = arrays.as_dense(voxels)
    background = roi.background_bits(dense, options, padding_values)
    rows = config["affine"]
    affine = None if rows is None else tuple(float(x) for row in rows for x in row)
    wanted = roi.foreground_mask(dense, options, background, affine, padding_values)
    return np.asarray(wanted & roi.differs(dense, background))


def level_of_noise(
    voxels: npt.NDArray[Any],
    config: dict[str, Any],
    padding_values: roi.PaddingValues | None = None,
) -> float | None:
    """Find the signal level of a whole array's air, whatever threshold it has.

    Parameters
    ----------
    voxels : ndarray
        The whole array.
    config : dict
        The fitted codec's.
    padding_values : tuple of float, optional
        As `MedROI.fit` was given them.

    Returns
    -------
    float or None
        None where the air is not shown to be noise.
    """
    if voxels.ndim < 2 or not voxels.size or voxels.dtype.kind not in "iuf":
        return None
    options = roi.RegionOptions(
        roi="mask",  # a box that holds the padding around a circle leaves no air to look at
        polarity=config["polarity"],
        background=number(config["background"]),
        axes=None if config["axes"] is None else tuple(config["axes"]),
    )
    found = roi.search(
        arrays.as_dense(voxels), options, complete=True, padding_values=padding_values
    )
    level = found.dropped.level
    return level if math.isfinite(level) else None


def kept_by_other(scan: Scan, region: dict[str, Any]) -> Mask:
    """Mark what a mask keeps where a box is asked for, and the other way round.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    region : dict
        What is asked for.
    """
    other = {**region, "roi": OTHER_REGION[region.get("roi", "box")]}
    codec, _ = fitted_codec(scan, "raw", other)
    return np.broadcast_to(codec.region.kept(), scan.voxels.shape)
