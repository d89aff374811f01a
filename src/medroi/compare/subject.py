"""One scan made ready: its regions, and the voxels and the peak that all figures refer to."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi import arrays, metrics, roi, stream
from medroi.compare.reading import read
from medroi.compare.sources import Source
from medroi.errors import InvalidArgument
from medroi.scans.kept import kept_mask
from medroi.scans.scan import slice_axis_of

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

REGIONS = ("full", "box", "hull")


@dataclasses.dataclass(frozen=True)
class Region:
    """A region of one scan.

    Attributes
    ----------
    config : mapping
        Parameters of `MedROI` but the inner codec, the numbers of the scan in them.
    n_voxels : int
        Voxels kept.
    miss_rate : float
        Share of the tissue outline's voxels that differ from the background and are not kept.
    """

    config: Mapping[str, Any]
    n_voxels: int
    miss_rate: float

    def codec(self, inner: Any) -> medroi.MedROI:
        """The codec with this region and an inner codec."""
        return medroi.MedROI(inner, **self.config)


@dataclasses.dataclass(frozen=True)
class Subject:
    """One scan and what all methods are measured by.

    Attributes
    ----------
    source : Source
    voxels : ndarray
        As stored.
    axes : tuple of int
        Array axes of the volume.
    order : tuple of int
        Array axes in coding order: slices first.
    outline : ndarray of bool
        The tissue outline, in coding order: the voxels of every figure.
    peak : float
        Range of the voxels in the outline.
    """

    source: Source
    voxels: Array
    axes: tuple[int, ...]
    order: tuple[int, ...]
    outline: Mask
    peak: float
    regions: Mapping[str, Region]

    def in_order(self, array: Array) -> Array:
        """A view of an array of this scan's shape with its axes in coding order."""
        return array.transpose(self.order)

    @functools.cached_property
    def reference(self) -> metrics.Reference:
        """What decoded arrays, in coding order, are compared with: over the tissue outline."""
        return metrics.Reference(self.in_order(self.voxels), self.peak, self.outline)

    def psnr(self, decoded: Array) -> float:
        """Of a decoded array in the scan's own axes, over the tissue outline."""
        return self.reference.error(self.in_order(decoded))[0]

    @functools.cached_property
    def shown_slice(self) -> int:
        """Number, in coding order, of the slice with the largest outline."""
        areas = self.outline.reshape(len(self.outline), -1).sum(axis=1)
        return int(areas.argmax())


def prepare(source: Source, background: float | str = "auto") -> Subject:
    """Read a scan and find its regions.

    Parameters
    ----------
    source : Source
    background : float or "auto"
        Value of the air, in stored units.

    Raises
    ------
    InvalidArgument
        For files that hold no scan, and scans in which no background or no tissue is found.
    """
    scan = read(source)
    voxels = arrays.as_dense(scan.voxels)
    if voxels.ndim < 2 or voxels.size == 0:
        raise InvalidArgument(f"an array of shape {voxels.shape}; expected 2 axes or more")
    common: dict[str, Any] = {
        "axes": tuple(range(min(3, voxels.ndim))),
        "slice_axis": slice_axis_of(scan),
        "affine": scan.affine if voxels.ndim > 2 else None,
        "polarity": scan.polarity,
        "background": background,
    }
    fitted = {name: _fitted(voxels, name, common) for name in ("box", "hull")}
    known = fitted["box"]["background"]
    options = roi.RegionOptions(
        polarity=scan.polarity, background=known, axes=common["axes"], threshold="mean"
    )
    bits = roi.background_bits(voxels, options)
    outline = roi.outline(voxels, options, bits)
    if not outline.any():
        raise InvalidArgument("no tissue: nothing in the scan stands out of its background")
    peak = metrics.tissue_peak(voxels, outline)
    if not peak > 0:
        raise InvalidArgument("all tissue has one value, to which no error can be related")
    reached = math.inf if scan.polarity == "dark" else -math.inf
    fitted = {"full": {**fitted["box"], "threshold": reached}, **fitted}
    wanted = outline & roi.differs(voxels, bits)
    order = _order(voxels, fitted["full"])
    return Subject(
        source=source,
        voxels=voxels,
        axes=common["axes"],
        order=order,
        outline=np.ascontiguousarray(outline.transpose(order)),
        peak=peak,
        regions={name: _region(voxels, config, wanted) for name, config in fitted.items()},
    )


def _fitted(voxels: Array, name: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of `MedROI` for one region, fitted to the scan as `pack` does."""
    config = medroi.MedROI.fit(voxels, inner="raw", roi=name, **common).get_config()
    return {key: value for key, value in config.items() if key not in ("id", "inner")}


def _order(voxels: Array, config: Mapping[str, Any]) -> tuple[int, ...]:
    coded = np.frombuffer(medroi.MedROI("raw", **config).encode(voxels), np.uint8)
    return tuple(stream.read_header(coded).coding_order)


def _region(voxels: Array, config: Mapping[str, Any], wanted: Mask) -> Region:
    coded = medroi.MedROI("raw", **config).encode(voxels)
    kept = kept_mask(coded, medroi.inspect(coded))
    n_missed = int(np.count_nonzero(wanted & ~kept))
    n_wanted = int(np.count_nonzero(wanted))
    return Region(config, int(np.count_nonzero(kept)), n_missed / max(1, n_wanted))
