"""``medroi clear``: the region of a scan in plain files."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scan_region import ScanRegion
from medroi.scans.access.kept_region import KeptRegion
from medroi.scans.clearing import ome_zarr, scan_files
from medroi.scans.clearing.report import ClearReport
from medroi.scans.fitting import check_not_empty, config_to_count_with, fitted_codec, rule_of
from medroi.scans.formats import check_target, read_scan
from medroi.scans.masking import mask_options
from medroi.scans.scan import Scan
from medroi.scans.stores.folders import made_parent, nbytes_in
from medroi.scans.stores.readback import Measured, number
from medroi.scans.stores.staging import staged
from medroi.scans.thresholding import with_threshold

# Writes a scan to a fresh path for a target: its voxels cleared, by a region.
Write = Callable[[Path, Path, Scan, Any, ScanRegion], None]


def clear(
    source: str | Path,
    target: str | Path,
    *,
    mask: str | Path | None = None,
    mask_margin_mm: float = 0,
    mask_resample: bool = False,
    gzip_level: int = 6,
    incomplete: bool = False,
    force: bool = False,
    **region: Any,
) -> ClearReport:
    """Write a scan with everything outside its region set to the background, as a plain file.

    The region is the one that `pack` finds with the same options. What was written is read back and
    compared before it gets its name: every voxel inside the region has the bits it had.

    Parameters
    ----------
    source : path
        As `pack` takes it.
    target : path
        A file of the source's kind (DICOM becomes NIfTI), or ``NAME.ome.zarr`` or ``NAME.nii.zarr``
        for an OME-Zarr group of Zarr's own codecs.
    mask, mask_margin_mm, mask_resample
        As in `pack`.
    gzip_level : int
        1 to 9, of files that are gzipped.
    incomplete : bool
        Of DICOM, take a series of which slices are missing at the ends, with a note.
    force : bool
        Replace an existing file.
    **region
        Options of `medroi.MedROI` that decide what is kept: threshold, polarity, roi (default
        ``"mask"``), components, background (default ``"auto"``), padding, max_miss_rate.

    Returns
    -------
    ClearReport

    Raises
    ------
    InvalidArgument
        Where the source cannot be read, nothing would be kept, or the target cannot be written.
    MedROIError
        Where what was written did not come back; nothing is written then.
    """
    source, target, began = Path(source), Path(target), time.monotonic()
    gzip_level = scan_files.checked_level(gzip_level)
    if mask is not None and "roi" in region:
        raise InvalidArgument("a mask decides what is kept: leave out --roi (roi=)")
    scan = read_scan(source, incomplete=incomplete)
    write = _writer_for(target, scan, gzip_level)
    if target.exists() and source.exists() and target.samefile(source):
        raise InvalidArgument(
            f"{target} is the source itself; what is dropped would be lost: name another target"
        )
    region, reasons = with_threshold(scan, region)
    given = mask_options(
        scan, None if mask is None else Path(mask), mask_margin_mm, resample=mask_resample
    )
    codec, notes = fitted_codec(scan, "zstd", {**region, **given})
    config, found = config_to_count_with(codec), codec.region
    check_not_empty(source, scan.voxels, Measured(n_kept=found.n_kept), config)
    voxels = found.cleared(scan.voxels)
    with made_parent(target), staged(target, force=force, may_replace=_may_replace) as fresh:
        write(fresh, target, scan, voxels, found)
        written_nbytes, n_files = nbytes_in(fresh), count_files(fresh)
    return ClearReport(
        source=source.name,
        target=target.name,
        shape=scan.voxels.shape,
        dtype=str(scan.voxels.dtype),
        source_nbytes=source_nbytes(source, scan),
        written_nbytes=written_nbytes,
        n_files=n_files,
        region=_described(found, scan, config),
        threshold_rule=rule_of(region["threshold"], config["roi"]),
        seconds=time.monotonic() - began,
        notes=scan.notes + reasons + notes,
    )


def _writer_for(target: Path, scan: Scan, gzip_level: int) -> Write:
    """Choose what writes a target by its name.

    Raises
    ------
    InvalidArgument
        Where this scan cannot become that.
    """
    if target.name.lower().endswith(ome_zarr.SUFFIXES):
        ome_zarr.check_possible(target, scan)
        return ome_zarr.write
    suffix = check_target(scan, target)
    return partial(scan_files.write, suffix=suffix, gzip_level=gzip_level)


def _may_replace(target: Path) -> bool:
    """Whether a target is a file, or a group that was cleared, with nothing else in it."""
    if target.is_file():
        return True
    return ome_zarr.is_cleared(target)


def count_files(path: Path) -> int:
    """Number of files at a path, or below it."""
    return sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 1


def source_nbytes(source: Path, scan: Scan) -> int:
    """Bytes of the files that a scan came from; all of the source where they are not known."""
    images = [file.nbytes for file in scan.sources if file.role == "image"]
    return sum(images) if images else nbytes_in(source)


def _described(found: ScanRegion, scan: Scan, config: dict[str, Any]) -> KeptRegion:
    threshold = number(config["threshold"])
    return KeptRegion(
        roi=found.roi,
        box=found.box,
        n_voxels=scan.voxels.size,
        n_kept=found.n_kept,
        background=found.background,
        threshold=None if threshold is None else float(threshold),
        is_given=found.is_given,
        axis_names=scan.axis_names,
        spacing_mm=scan.spacing_mm,
        polarity=config["polarity"],
        dropped=found.dropped.facts(),
    )
