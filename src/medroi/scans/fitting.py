"""The codec's numbers, found once on a whole scan, and what they would keep of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
import medroi.inner
from medroi.errors import InvalidArgument
from medroi.scan_region import ScanRegion
from medroi.scans.scan import PADDING_VALUES, Scan, slice_axis_of
from medroi.scans.stores.kept import same_bits
from medroi.scans.stores.layouts import DENSE, FAST
from medroi.scans.stores.readback import Measured, number
from medroi.values import json_number
from medroi.working_memory import WorkingMemory


def fitted_codec(
    scan: Scan, inner: Any, region: dict[str, Any], memory: WorkingMemory | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Fit the codec on the whole scan; `region` has a threshold. Notes of the fit come with it."""
    options = {"polarity": scan.polarity, "background": "auto", **region}
    options["inner"] = inner
    options["affine"] = scan.affine
    options["slice_axis"] = slice_axis_of(scan)
    options["padding_values"] = scan.details.get(PADDING_VALUES)
    if scan.voxels.ndim > 3:
        options["axes"] = (0, 1, 2)
    codec: Any = medroi.MedROI.fit(scan.voxels, memory=memory, **options)
    if codec.region.is_given:
        return codec, ()
    if codec.note:
        return codec, (f"{codec.note}: every voxel that is not background is kept",)
    notes = note_of_lowering(codec.region, codec.get_config())
    return codec, notes + note_of_padding(scan, codec.region)


def with_inner_for(codec: Any, scan: Scan) -> Any:
    """The codec that `pack` takes where nobody names an inner codec, in place of a fast one.

    Noise costs a dense coder much time and gains it little. Where all of a scan is kept, and of
    floats, a fast one is some per cent larger, and may be so than a .nii.gz.
    """
    is_kept = codec.region.threshold is None and not codec.region.is_given
    is_fast = codec.get_config()["inner"] == FAST
    return (
        codec.with_inner(DENSE) if is_fast and (is_kept or scan.voxels.dtype.kind == "f") else codec
    )


def config_to_count_with(codec: Any) -> dict[str, Any]:
    """A fitted configuration, with the threshold at which the voxels outside a given mask count."""
    config: dict[str, Any] = codec.get_config()
    if codec.region.is_given:
        config["threshold"] = json_number(codec.region.threshold)
    return config


def crops_of(codec: Any, *, is_alone: bool) -> ScanRegion | None:
    """The region of which every chunk gets its crop.

    None for a chunk that is alone and whose codec finds the same region: its stream then holds the
    mask. It does not where the mask was given, or values are declared to be padding, and need not
    where the inner codec is lossless: cleared voxels tell the mask by themselves, in fewer bytes.
    """
    region: ScanRegion = codec.region
    config = codec.get_config()
    finds_it = not region.is_given and region.padding_values is None
    has_mask = config["roi"] == "mask" and config["threshold"] is not None
    needs_it = has_mask and not medroi.inner.make(config["inner"]).lossless
    is_in_stream = finds_it and (needs_it or not has_mask)
    return None if is_alone and is_in_stream else region


def note_of_lowering(region: ScanRegion, config: dict[str, Any]) -> tuple[str, ...]:
    """Say so where fitting took another threshold than that of the whole scan."""
    fitted, of_scan = number(config["threshold"]), region.threshold_found
    if of_scan is None or fitted == of_scan:
        return ()
    taken = "every voxel that is not background is kept" if fitted is None else f"{fitted:.6g}"
    return (
        f"the threshold of the whole scan is {of_scan:.6g}; with it more of what the tissue "
        f"encloses would be dropped than max_miss_rate allows: {taken} instead",
    )


def note_of_padding(scan: Scan, region: ScanRegion) -> tuple[str, ...]:
    """Say what becomes of the voxels that have a padding value which the scan's source declares."""
    if region.padding_values is None:
        return ()
    low, high = region.padding_values
    is_padding = (scan.voxels >= low) & (scan.voxels <= high)
    n_padding = int(np.count_nonzero(is_padding))
    if not n_padding or low <= region.background <= high:
        return ()
    n_dropped = int(np.count_nonzero(is_padding & ~region.kept()))
    values = f"{low:.10g}" if low == high else f"{low:.10g} to {high:.10g}"
    fate = "all of them come back as they are"
    if n_dropped:
        fate = (
            f"all of them come back as they are but {n_dropped} that lie singly in the noise of "
            "the air, which has this value too, and become background"
        )
    return (
        f"padding values {values}, as the source declares: {n_padding} voxels "
        f"({100 * n_padding / scan.voxels.size:.1f} %) are neither air nor tissue; {fate}",
    )


def check_not_empty(
    source: Path, voxels: npt.NDArray[Any], measured: Measured, config: dict[str, Any]
) -> None:
    """Refuse a pack that would keep nothing of a scan that holds something."""
    if measured.n_kept or not voxels.size:
        return
    background = np.asarray(number(config["background"]), dtype=voxels.dtype)
    dark = config["polarity"] == "dark"
    n_content, found = 0, None
    for index in range(voxels.shape[-1]):
        layer = voxels[..., index]
        content = layer[~same_bits(layer, background)]
        n_content += content.size
        finite = content[np.isfinite(content)]
        if finite.size:
            here = finite.min() if dark else finite.max()
            found = here if found is None else (min if dark else max)(found, here)
    if not n_content:
        return
    extreme = "no number" if found is None else f"{found:g}"
    raise InvalidArgument(
        f"{source}: nothing would be kept: {n_content} voxels are not background, and none "
        f"reaches the threshold {number(config['threshold'])} (the "
        f"{'darkest' if dark else 'brightest'} is {extreme}); give another --threshold "
        "(threshold=), or keep everything with --lossless (lossless=True)"
    )


def rule_of(threshold: object, roi: str) -> str:
    """Name where a threshold comes from; a mask at another rule's would lose dim tissue."""
    if isinstance(threshold, str) and roi == "mask":
        return "noise"
    if threshold is None:
        return "none"
    return threshold if isinstance(threshold, str) else "number"
