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
from medroi.compare.evidence.original import Original
from medroi.compare.reading import read
from medroi.compare.signal import Region, region_of, signal_of
from medroi.compare.sources import Source
from medroi.errors import InvalidArgument
from medroi.scans.scan import slice_axis_of
from medroi.scans.stores.readback import number

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

REGIONS = ("full", "box", "mask")


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
    signal : ndarray of bool
        The signal voxels, in coding order: those of every figure.
    peak : float
        Range of the signal voxels; where all have one value, of the scan.
    """

    source: Source
    voxels: Array
    axes: tuple[int, ...]
    order: tuple[int, ...]
    signal: Mask
    peak: float
    regions: Mapping[str, Region]

    def in_order(self, array: Array) -> Array:
        """A view of an array of this scan's shape with its axes in coding order."""
        return array.transpose(self.order)

    @functools.cached_property
    def reference(self) -> metrics.Reference:
        """Measure of decoded arrays, in coding order, over the signal voxels."""
        return metrics.Reference(self.in_order(self.voxels), self.peak, self.signal)

    def psnr(self, decoded: Array) -> float:
        """Of a decoded array in the scan's own axes, over the signal voxels."""
        return self.reference.error(self.in_order(decoded))[0]

    @functools.cached_property
    def originals(self) -> Mapping[str, Original]:
        """By region, what evidence is taken against: the signal voxels inside it."""
        voxels = self.in_order(self.voxels)
        signal = self.signal & np.isfinite(voxels)
        return {
            name: Original(voxels, signal & self.in_order(region.kept))
            for name, region in self.regions.items()
        }

    @functools.cached_property
    def shown_slice(self) -> int:
        """Number, in coding order, of the slice with most signal voxels."""
        areas = self.signal.reshape(len(self.signal), -1).sum(axis=1)
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
        For files that hold no scan, and scans in which nothing stands out of the background.
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
    fitted = {name: _fitted(voxels, name, common) for name in ("box", "mask")}
    options = roi.RegionOptions(
        polarity=scan.polarity,
        background=number(fitted["box"]["background"]),
        axes=common["axes"],
    )
    signal = signal_of(voxels, options, [config["threshold"] for config in fitted.values()])
    if not signal.any():
        raise InvalidArgument("no tissue: nothing in the scan stands out of its background")
    # Of a mask, whose voxels are all 1, the range is 1.
    peak = metrics.tissue_peak(voxels, signal) or metrics.tissue_peak(voxels)
    if not peak > 0:
        raise InvalidArgument("all voxels have one value, to which no error can be related")
    reached = math.inf if scan.polarity == "dark" else -math.inf
    fitted = {"full": {**fitted["box"], "threshold": reached}, **fitted}
    order = _order(voxels, fitted["full"])
    return Subject(
        source=source,
        voxels=voxels,
        axes=common["axes"],
        order=order,
        signal=np.ascontiguousarray(signal.transpose(order)),
        peak=peak,
        regions={name: region_of(voxels, config, signal) for name, config in fitted.items()},
    )


def _fitted(voxels: Array, name: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of `MedROI` for one region, fitted to the scan as `pack` does."""
    config = medroi.MedROI.fit(voxels, inner="raw", roi=name, **common).get_config()
    return {key: value for key, value in config.items() if key not in ("id", "inner")}


def _order(voxels: Array, config: Mapping[str, Any]) -> tuple[int, ...]:
    coded = np.frombuffer(medroi.MedROI("raw", **config).encode(voxels), np.uint8)
    return tuple(stream.read_header(coded).coding_order)
