"""``medroi clear``: the region of a scan in plain files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scan_region import ScanRegion
from medroi.scans import dicom
from medroi.scans.access.kept_region import KeptRegion
from medroi.scans.clearing import dicom_files, ome_zarr, scan_files
from medroi.scans.clearing.comparing import count_changed
from medroi.scans.clearing.dicom_files import Uids
from medroi.scans.clearing.report import ClearReport
from medroi.scans.fitting import check_not_empty, config_to_count_with, fitted_codec, rule_of
from medroi.scans.formats import READERS, check_target, kind_of, read_scan, stem_of, suffix_of
from medroi.scans.masking import mask_options
from medroi.scans.scan import Scan
from medroi.scans.stores.apart import check_apart
from medroi.scans.stores.folders import made_parent, nbytes_in
from medroi.scans.stores.readback import Measured, number
from medroi.scans.stores.staging import staged
from medroi.scans.thresholding import with_threshold
from medroi.working_memory import of_machine


@dataclass(frozen=True)
class Writer:
    """A kind of target: `write` makes it at a fresh path, of a scan, cleared voxels and region.

    `source_nbytes` are those of the files that it takes the place of.
    """

    write: Callable[[Path, Path, Scan, Any, ScanRegion], None]
    source_nbytes: int


def clear(
    source: str | Path,
    target: str | Path,
    *,
    mask: str | Path | None = None,
    mask_margin_mm: float = 0,
    mask_resample: bool = False,
    gzip_level: int = 6,
    series: str | None = None,
    incomplete: bool = False,
    keep_uids: bool = False,
    reason: str | None = None,
    force: bool = False,
    **region: Any,
) -> ClearReport:
    """Write a scan with everything outside its region set to the background, as plain files.

    The region is the one that `pack` finds with the same options. What was written is read back and
    compared before it gets its name: every voxel inside the region has the bits it had.

    Parameters
    ----------
    source : path
        As `pack` takes it.
    target : path
        A file of the source's kind, or in a folder, which exists or whose name ends with ``/``, one
        of its name, of several files one .nii.gz; ``NAME.ome.zarr`` or ``NAME.nii.zarr``, an
        OME-Zarr group of Zarr's own codecs. Of DICOM a new folder, for a file in place of each, or
        NIfTI.
    mask, mask_margin_mm, mask_resample
        As in `pack`.
    gzip_level : int
        1 to 9, of files that are gzipped.
    series : str, optional
        Of DICOM, number, label or SeriesInstanceUID of the volume, where there are several.
    incomplete : bool
        Of DICOM, take a series of which slices are missing, with a note.
    keep_uids : bool
        Of DICOM, leave the identifiers of images and series as they are; new ones are given
        otherwise.
    reason : str, optional
        Why, which is written into the files; needed with `keep_uids`.
    force : bool
        Replace an existing file or group.
    **region
        Options of `medroi.MedROI` that decide what is kept: threshold, polarity, roi (default
        ``"mask"``; ``"box"`` for the thresholds ``"mean"`` and ``"otsu"``), components, background
        (default ``"auto"``), padding, max_miss_rate.

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
    source, began = Path(source), time.monotonic()
    gzip_level = scan_files.checked_level(gzip_level)
    uids = Uids(keep_uids, reason)
    uids.check()
    if mask is not None and "roi" in region:
        raise InvalidArgument("a mask decides what is kept: leave out --roi (roi=)")
    # The headers of a series are read once, for its voxels and for what takes their place.
    chosen = dicom.find_one(source, series) if kind_of(source) == "dicom" else None
    scan = read_scan(source, series=chosen, identifiers=False, incomplete=incomplete)
    target = _placed(target, source, scan)
    check_apart(source, target)
    writer = _writer_for(target, source, scan, gzip_level, chosen, uids, incomplete=incomplete)
    region, reasons = with_threshold(scan, region)
    given = mask_options(
        scan,
        None if mask is None else Path(mask),
        mask_margin_mm,
        resample=mask_resample,
        memory=of_machine(),
    )
    codec, notes = fitted_codec(scan, "zstd", {**region, **given})
    config, found = config_to_count_with(codec), codec.region
    check_not_empty(source, scan.voxels, Measured(n_kept=found.n_kept), config)
    voxels = found.cleared(scan.voxels)
    is_empty = target.is_dir() and not any(target.iterdir())
    with (
        made_parent(target),
        staged(target, force=force or is_empty, may_replace=_may_replace) as fresh,
    ):
        writer.write(fresh, target, scan, voxels, found)
        written_nbytes, n_files = nbytes_in(fresh), count_files(fresh)
    return ClearReport(
        source=source.name,
        target=target.name,
        shape=scan.voxels.shape,
        dtype=str(scan.voxels.dtype),
        source_nbytes=writer.source_nbytes,
        written_nbytes=written_nbytes,
        n_files=n_files,
        region=_described(found, scan, config),
        n_changed=count_changed(scan.voxels, voxels),
        threshold_rule=rule_of(region["threshold"], config["roi"]),
        seconds=time.monotonic() - began,
        notes=scan.notes + reasons + notes,
    )


def _placed(target: str | Path, source: Path, scan: Scan) -> Path:
    """The file that a target names: in a folder one of the source's name, or the NIfTI file."""
    path = Path(target)
    is_own = scan.kind == "dicom" or path.name.lower().endswith(ome_zarr.SUFFIXES)
    if is_own or not (path.is_dir() or os.fspath(target).endswith(("/", os.sep))):
        return path
    is_one_file = sum(file.role == "image" for file in scan.sources) == 1 and source.is_file()
    return path / (source.name if is_one_file else f"{stem_of(source)}.nii.gz")


def _writer_for(
    target: Path,
    source: Path,
    scan: Scan,
    gzip_level: int,
    chosen: dicom.Chosen | None,
    uids: Uids,
    *,
    incomplete: bool,
) -> Writer:
    """Choose what writes a target by its name.

    Raises
    ------
    InvalidArgument
        Where this scan cannot become that.
    """
    is_group = target.name.lower().endswith(ome_zarr.SUFFIXES)
    names_file = suffix_of(target, READERS) is not None or dicom.is_name(target)
    if chosen is not None:
        files = dicom.files_of(chosen.volume, incomplete=incomplete)
        nbytes = sum(file.path.stat().st_size for file, _ in files)
        if not is_group and not names_file:
            dicom_files.check_whole(files)
            return Writer(partial(dicom_files.write, files=files, uids=uids), nbytes)
    else:
        known = sum(file.nbytes for file in scan.sources if file.role == "image")
        # Of arrays of other programs no file is known by itself.
        nbytes = known or nbytes_in(source)
    if uids.keep:
        raise InvalidArgument(
            f"{target}: --keep-uids (keep_uids=True) is for DICOM in a folder; here are no UIDs"
        )
    if is_group:
        ome_zarr.check_possible(target, scan)
        return Writer(ome_zarr.write, nbytes)
    if dicom.is_name(target):
        raise InvalidArgument(
            f"{target}: name a folder, in which each DICOM file gets the name it has"
        )
    suffix = check_target(scan, target)
    return Writer(partial(scan_files.write, suffix=suffix, gzip_level=gzip_level), nbytes)


def _may_replace(target: Path) -> bool:
    """Whether a target is a file, an empty folder, or a group that was cleared, by itself."""
    if target.is_file():
        return True
    return ome_zarr.is_cleared(target) or not any(target.iterdir())


def count_files(path: Path) -> int:
    """Number of files at a path, or below it."""
    return sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 1


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
