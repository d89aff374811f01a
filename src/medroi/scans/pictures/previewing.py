"""Find out what a setting keeps: of a scan by encoding it, of a packed store from its streams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi.errors import InvalidArgument
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scan_region import ScanRegion
from medroi.scans.chunking import padded, selections
from medroi.scans.fitting import fitted_codec, rule_of, with_inner_for
from medroi.scans.formats.names import printable
from medroi.scans.formats.orientation import directions_of
from medroi.scans.pictures.measures import enclosed_mask, kept_by_other, level_of_noise
from medroi.scans.pictures.preview import Preview, Shown
from medroi.scans.pictures.tally import (
    add_bright_tissue,
    add_dropped,
    add_other,
    add_region,
    add_stream,
    place,
)
from medroi.scans.scan import Scan
from medroi.scans.stores.hdf5_store import name_of
from medroi.scans.stores.kept import box_in_store, inspected, region_in_store, same_bits
from medroi.scans.stores.layouts import DEFAULT, LAYOUTS, cut_of
from medroi.scans.stores.readback import number, tissue_mask
from medroi.scans.stores.wholeness import check_complete, facts_of
from medroi.scans.stores.zarr_array import (
    each_stream,
    foreign_scan,
    medroi_config,
    open_array,
    reading,
    scan_of,
)
from medroi.scans.thresholding import with_threshold

# What `pack` codes with where nobody asks for anything else.
DEFAULT_INNER = dict(LAYOUTS[DEFAULT].inner)


def preview_scan(
    scan: Scan,
    name: str,
    *,
    chunks: Sequence[int] | str | None = None,
    inner: Any = None,
    compare: bool = False,
    **region: Any,
) -> Preview:
    """Encode a scan as `pack` would, and report what is kept.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    name : str
        What the report calls it.
    chunks, inner, **region
        As in `medroi.scans.pack`.
    compare : bool
        Find out, too, what the other kind of region would keep: the mask, or the box.
    """
    voxels = scan.voxels
    region, reasons = with_threshold(scan, region)
    cut = cut_of(LAYOUTS[DEFAULT], voxels, chunks)
    codec, notes = fitted_codec(scan, DEFAULT_INNER if inner is None else inner, region)
    if inner is None:
        codec = with_inner_for(codec, scan)
    # A group, in which `pack` puts scans by default, has crops even where a chunk is alone.
    crops: ScanRegion = codec.region
    config = codec.get_config()
    whole = _codec_of_everything(config)
    writer = codec.for_crops(crops, cut, voxels.dtype)
    background = np.asarray(number(config["background"]), dtype=voxels.dtype)
    found = Preview(
        name=name,
        shape=voxels.shape,
        dtype=str(voxels.dtype),
        axis_names=scan.axis_names,
        chunks=cut,
        settings=config,
        threshold_rule=rule_of(region["threshold"], config["roi"]),
        shown=_shown(scan, config, _middle(voxels, config)),
        notes=scan.notes + reasons + notes,
    )
    padding_values = crops.padding_values
    found.noise_level = level_of_noise(voxels, config, padding_values)
    enclosed = enclosed_mask(voxels, config, region["threshold"], padding_values)
    for selection in selections(voxels.shape, cut):
        original = voxels[selection]
        chunk = padded(original, cut, background)
        stream = writer.encode(crops.cleared_chunk(chunk, [one.start for one in selection]))
        kept = add_stream(found, stream, medroi.inspect(stream), selection, crops)
        tissue = tissue_mask(original, config, background)
        place(found.shown, found.shown.tissue, tissue, selection)
        found.n_tissue += int(np.count_nonzero(tissue))
        found.n_missed += int(np.count_nonzero(tissue & ~kept))
        found.whole_nbytes += len(whole.encode(chunk))
        if enclosed is not None:
            found.n_enclosed += int(np.count_nonzero(enclosed[selection]))
            found.n_enclosed_dropped += int(np.count_nonzero(enclosed[selection] & ~kept))
        add_dropped(found, original, kept, selection)
    add_region(found, crops)
    found.miss_rate = found.n_missed / max(1, found.n_tissue)
    add_bright_tissue(found)
    if compare and config["threshold"] is not None:
        add_other(found, kept_by_other(scan, region))
    return found


def preview_store(path: Path) -> Preview:
    """Report what an array of MedROI streams gives back.

    Parameters
    ----------
    path : path
        Written by `pack` or by any program that uses MedROI in Zarr or HDF5.
    """
    array = open_array(path)
    with reading(path, array):
        return _preview_array(path, array)


def _preview_array(path: Path, array: Any) -> Preview:
    config = medroi_config(array)
    if config is None or array.ndim == 0:
        raise InvalidArgument(f"{path}: an array without MedROI")
    check_complete(path, array)
    attributes = facts_of(path, array)
    region = region_in_store(array)
    if region is not None and config["threshold"] is None:
        # Crops of a region in HDF5 have parameters without the threshold that it was found with.
        config["threshold"] = region.threshold
    empty = np.empty((0,) * array.ndim, dtype=array.dtype)
    if attributes is not None:
        scan = scan_of(empty, attributes, path)
    else:
        scan = foreign_scan(empty, config)
    found = Preview(
        name=printable(name_of(path)),
        shape=array.shape,
        dtype=str(array.dtype),
        axis_names=scan.axis_names,
        chunks=array.chunks,
        settings=config,
        threshold_rule=_rule_in(config),
        shown=_shown(scan, config, _middle(array, config)),
        from_store=True,
    )
    crops = box_in_store(array)
    thresholds, backgrounds = set(), set()
    for _, selection, stream in each_stream(path, array):
        if stream is not None:
            info = inspected(array, stream)
            add_stream(found, stream, info, selection, crops)
            thresholds.add(info.threshold)
            backgrounds.add(info.background)
            # The parameters of an HDF5 filter do not name it.
            found.settings.setdefault("inner", {"id": info.inner})
    found.settings = _found(found, thresholds, backgrounds)
    background = np.asarray(number(found.settings["background"]), dtype=array.dtype)
    shown = found.shown
    if region is not None and crops is None:
        # Streams of crops have a box each; what a mask drops of it is background.
        shown.kept[...] &= ~same_bits(shown.voxels, background)
        found.n_kept = int(array.attrs[REGION]["n_kept"])
    if region is not None:
        add_region(found, region)
    found.noise_level = found.signal_level
    shown.tissue[...] = tissue_mask(shown.voxels, found.settings, background) & shown.kept
    return found


def _rule_in(config: dict[str, Any]) -> str:
    """The rule of a configuration, in which numbers that are not finite are text as well."""
    threshold = config["threshold"]
    is_number = isinstance(threshold, str) and threshold.lstrip("-") in ("NaN", "Infinity")
    return "number" if is_number else rule_of(threshold, config["roi"])


def _found(found: Preview, thresholds: set[float], backgrounds: set[Any]) -> dict[str, Any]:
    """Settings with the numbers that the streams hold where only a rule was given.

    Arrays that were not fitted have another threshold in every chunk: the lowest is taken.
    """
    settings = dict(found.settings)
    numbers = [threshold for threshold in thresholds if not math.isnan(threshold)]
    if found.threshold_rule not in ("none", "number"):
        settings["threshold"] = min(numbers, default=None)
        if len(numbers) > 1:
            found.threshold_rule += f" of each chunk, up to {max(numbers):.6g}"
    if settings["background"] in ("auto", None):
        settings["background"] = min(backgrounds, default=0)
    return settings


def _codec_of_everything(config: dict[str, Any]) -> medroi.MedROI:
    """The same codec with a threshold that every voxel reaches, so that nothing is cut off."""
    reached = math.inf if config["polarity"] == "dark" else -math.inf
    same = {key: value for key, value in config.items() if key != "id"}
    return medroi.MedROI(**{**same, "threshold": reached, "roi": "box"})


def _volume_axes(ndim: int, config: dict[str, Any]) -> tuple[int, ...]:
    axes = config["axes"]
    if axes is None:
        return tuple(range(max(0, ndim - 3), ndim))
    return tuple(sorted(axis % ndim for axis in axes))


def _middle(array: Any, config: dict[str, Any]) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """The volume in the middle of the axes that are none of the volume's, and its index."""
    inside = _volume_axes(array.ndim, config)
    index = tuple(0 if axis in inside else size // 2 for axis, size in enumerate(array.shape))
    part = tuple(slice(None) if axis in inside else at for axis, at in enumerate(index))
    return np.asarray(array[part]), index


def _shown(
    scan: Scan, config: dict[str, Any], middle: tuple[npt.NDArray[Any], tuple[int, ...]]
) -> Shown:
    voxels, index = middle
    axes = _volume_axes(len(index), config)
    known = scan.spacing_mm
    return Shown(
        voxels=voxels,
        kept=np.zeros(voxels.shape, dtype=bool),
        tissue=np.zeros(voxels.shape, dtype=bool),
        axes=axes,
        index=index,
        spacing_mm=tuple(known[axis] if axis < len(known) else 1.0 for axis in axes),
        directions=directions_of(scan) if axes == tuple(range(len(axes))) else None,
        y_up=scan.kind != "array",
    )
