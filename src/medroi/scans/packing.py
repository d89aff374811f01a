"""One scan into one compressed store."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import medroi
import medroi.inner
from medroi.errors import InvalidArgument, MedROIError
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.chunking import count_chunks
from medroi.scans.fitting import (
    check_not_empty,
    config_to_count_with,
    crops_of,
    fitted_codec,
    rule_of,
)
from medroi.scans.formats import contents_of, read_scan, suffix_of
from medroi.scans.formats.names import printable
from medroi.scans.masking import mask_options
from medroi.scans.progress import bar
from medroi.scans.report import PackReport
from medroi.scans.scan import Scan
from medroi.scans.sources.finding import finding
from medroi.scans.stores import air as aside
from medroi.scans.stores import hdf5_append, hdf5_store
from medroi.scans.stores.digests import facts_digest, json_digest
from medroi.scans.stores.folders import made_parent, nbytes_in
from medroi.scans.stores.readback import Measured, measure, number
from medroi.scans.stores.staging import staged, workspace
from medroi.scans.stores.wholeness import add_digests, metadata_digest
from medroi.scans.stores.zarr_array import WRITERS, Layout, attributes_of, may_replace, open_array
from medroi.scans.thresholding import with_threshold

# A 4-D scan above this is cut into its 3-D volumes, so that one of them can be read alone.
_LARGE_NBYTES = 1 << 30


def pack(
    source: str | Path,
    target: str | Path,
    *,
    inner: Any = "zstd",
    lossless: bool = False,
    chunks: Sequence[int] | str = "volume",
    zarr_format: int = 3,
    force: bool = False,
    keep_identifiers: bool = False,
    incomplete: bool = False,
    progress: bool = False,
    mask: str | Path | None = None,
    mask_margin_mm: float = 0,
    mask_resample: bool = False,
    air: str = "drop",
    **region: Any,
) -> PackReport:
    """Pack a scan, read it back and report what was kept and what it cost.

    Parameters
    ----------
    source : path
        A .nii, .nii.gz, .mgz or .mgh file, or a folder with one DICOM series.
    target : path
        What to write: a name that ends with ``.zarr``, or an HDF5 file, ``FILE.h5`` or
        ``FILE.h5/NAME``, to which a dataset is added. It appears only when it is complete.
    inner : str, dict or codec
        The inner codec.
    lossless : bool
        Keep every voxel that is not background, with an inner codec that is lossless too.
    chunks : "volume" or ints
        ``"volume"`` is one chunk; a scan with more than three axes and above 1 GiB gets one chunk
        per 3-D volume. One int, or one per axis; axes that are not given are not cut.
    zarr_format : int
        3 or 2.
    force : bool
        Replace an existing Zarr array, with nothing else in its folder, or a dataset.
    keep_identifiers : bool
        Of DICOM, keep UIDs, dates and what names the patient too.
    incomplete : bool
        Of DICOM, pack a series of which slices are missing at the ends, with a note.
    progress : bool
        Show a progress bar on a terminal when the work takes longer than a second.
    mask : path, optional
        A scan file of any kind on the scan's grid: what is not 0 there is kept, all else dropped.
    mask_margin_mm : float
        By which the mask is grown.
    mask_resample : bool
        Take the nearest voxel of a mask that lies on another grid, which is refused otherwise.
    air : {"drop", "keep"}
        ``"keep"`` stores what the region drops, losslessly, as an array of its own in the store:
        `unpack` then gives every voxel back, and `drop_air` deletes it. Zarr only.
    **region
        Options of `medroi.MedROI`: threshold, polarity, roi, background (default ``"auto"``),
        padding, max_miss_rate, verify.
    """
    source, target = Path(source), Path(target)
    place = hdf5_store.split_target(target)
    suffix = suffix_of(target, WRITERS)
    if place is None and suffix is None:
        known = " or ".join((*WRITERS, *hdf5_store.SUFFIXES))
        raise InvalidArgument(f"{target}: expected a name that ends with {known}")
    if place is not None and printable(place.name) != place.name:
        raise InvalidArgument(f"{target}: names in HDF5 are UTF-8 text; give the dataset another")
    if zarr_format not in (2, 3):
        raise InvalidArgument(f"zarr_format is {zarr_format!r}; expected 3 or 2")
    if air not in ("drop", "keep"):
        raise InvalidArgument(f"air={air!r}: expected 'drop' or 'keep'")
    if air == "keep":
        aside.check_possible(place, inner)
    if mask is not None and (lossless or "roi" in region):
        raise InvalidArgument(
            "a mask decides what is kept: leave out --lossless (lossless=True) and --roi (roi=)"
        )
    if lossless:
        # Refuses a lossy inner codec, and a threshold beside it.
        medroi.MedROI.lossless(inner, **region)
        region["threshold"] = None
    began = time.monotonic()
    file = target if place is None else place.file
    with (
        made_parent(file),
        _staged(target, place, force=force) as fresh,
        contextlib.ExitStack() as beside,
    ):
        scan = read_scan(source, keep_identifiers=keep_identifiers, incomplete=incomplete)
        containers = beside.enter_context(
            finding(scan.sources, lambda _: contents_of(scan, source))
        )
        region, reasons = with_threshold(scan, region)
        # In the C order of HDF5 a chunk with the whole of time would have time innermost.
        each_volume = place is not None and chunks == "volume"
        layout = Layout(
            chunk_shape(
                scan.voxels.shape, _LARGE_NBYTES + 1 if each_volume else scan.voxels.nbytes, chunks
            ),
            zarr_format,
        )
        given = mask_options(
            scan, None if mask is None else Path(mask), mask_margin_mm, resample=mask_resample
        )
        codec, notes = fitted_codec(scan, inner, {**region, **given})
        config = config_to_count_with(codec)
        n_chunks = count_chunks(scan.voxels.shape, layout.chunks)
        # cd_values have no affine: the filter alone would find another region.
        crops = crops_of(codec, is_alone=place is None and n_chunks == 1)
        with bar(2 * n_chunks, f"pack {target.name}", show=progress) as advance:
            if place is None:
                WRITERS[str(suffix)](fresh, scan, codec, crops, layout, advance)
            else:
                written = hdf5_store.Place(fresh, place.name)
                facts = attributes_of(scan)
                hdf5_store.write(
                    written, scan, codec.get_config(), crops, layout.chunks, facts, advance
                )
            stored = fresh if place is None else fresh / place.name
            measured = measure(stored, scan.voxels, config, crops, advance)
        whole = dataclasses.replace(scan, sources=containers())
        _check_promise(source, measured, config["inner"], lossless=lossless)
        check_not_empty(source, scan.voxels, measured, config)
        digests = _digests(stored, whole, measured, config["inner"])
        if air == "keep":
            digests[aside.NAME] = aside.write(stored, scan, codec, layout)
        add_digests(stored, attributes_of(whole), digests)
        stored_nbytes, air_nbytes = nbytes_in(fresh), aside.nbytes_of(stored)
    return PackReport(
        source=source.name,
        target=target.name,
        chunks=layout.chunks,
        n_chunks=n_chunks,
        zarr_format=zarr_format if place is None else None,
        threshold_rule=rule_of(region["threshold"], config["roi"]),
        **_facts(scan, measured, config),
        air_nbytes=air_nbytes,
        dropped=codec.region.dropped.facts(),
        stored_nbytes=stored_nbytes,
        seconds=time.monotonic() - began,
        notes=scan.notes + reasons + notes,
    )


def _staged(
    target: Path, place: hdf5_store.Place | None, *, force: bool
) -> contextlib.AbstractContextManager[Path]:
    if place is None:
        return staged(target, force=force, may_replace=may_replace)
    return _joined(place, force=force)


@contextlib.contextmanager
def _joined(place: hdf5_store.Place, *, force: bool) -> Iterator[Path]:
    """Give a name for a file with one dataset, which is added to the file of the target."""
    file = Path(os.path.realpath(place.file))
    if not file.parent.is_dir():
        raise InvalidArgument(f"{file}: the folder {file.parent} does not exist")
    place = hdf5_store.Place(file, place.name)
    hdf5_append.check_target(place, force=force)
    with workspace(file) as folder:
        yield folder / "new"
        hdf5_append.add(folder / "new", place, force=force)


def _digests(stored: Path, scan: Scan, measured: Measured, inner: Any) -> dict[str, Any]:
    array = open_array(stored)
    return {
        "facts": facts_digest(attributes_of(scan), array.shape, array.dtype),
        "voxels": measured.voxels_digest,
        "streams": measured.streams_digest,
        "metadata": metadata_digest(stored, array),
        "lossless": bool(medroi.inner.make(inner).lossless),
        **({"region": json_digest(array.attrs[REGION])} if REGION in array.attrs else {}),
    }


def chunk_shape(
    shape: tuple[int, ...], nbytes: int, chunks: Sequence[int] | str
) -> tuple[int, ...]:
    """Turn what was asked for into one size per axis."""
    if isinstance(chunks, str):
        if chunks != "volume":
            raise InvalidArgument(f"chunks is {chunks!r}; expected 'volume' or sizes")
        if len(shape) > 3 and nbytes > _LARGE_NBYTES:
            return shape[:3] + (1,) * (len(shape) - 3)
        return shape
    sizes = tuple(int(size) for size in chunks)
    if len(sizes) == 1:
        sizes *= min(3, len(shape))
    if not 1 <= len(sizes) <= len(shape) or min(sizes) < 1:
        raise InvalidArgument(
            f"chunks is {tuple(chunks)}; expected one size of at least 1, or one for each of up to "
            f"{len(shape)} axes"
        )
    return tuple(min(a, b) for a, b in zip(sizes, shape)) + shape[len(sizes) :]  # noqa: B905


def _check_promise(source: Path, measured: Measured, inner: Any, *, lossless: bool) -> None:
    changed = measured.n_changed and medroi.inner.make(inner).lossless
    if changed or (lossless and measured.n_missed):
        raise MedROIError(f"{source}: the tissue did not come back bit by bit; nothing is written")


def _facts(scan: Scan, measured: Measured, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": scan.kind,
        "shape": scan.voxels.shape,
        "dtype": str(scan.voxels.dtype),
        "axis_names": scan.axis_names,
        "inner": measured.inner,
        "roi": config["roi"],
        "threshold": config["threshold"],
        "polarity": config["polarity"],
        "background": number(config["background"]),
        "box": measured.box,
        "n_voxels": scan.voxels.size,
        "n_kept": measured.n_kept,
        "n_tissue": measured.n_tissue,
        "n_missed": measured.n_missed,
        "miss_rate": measured.miss_rate,
        "n_changed_inside": measured.n_changed,
        "max_abs_error": measured.max_abs_error,
        "array_nbytes": scan.voxels.nbytes,
    }
