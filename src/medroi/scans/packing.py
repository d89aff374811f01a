"""One scan into one compressed store."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import medroi
import medroi.inner
from medroi.errors import InvalidArgument, MedROIError
from medroi.scans import dicom
from medroi.scans.chunking import count_chunks
from medroi.scans.dicom import returning
from medroi.scans.fitting import (
    check_not_empty,
    config_to_count_with,
    crops_of,
    fitted_codec,
    rule_of,
    with_inner_for,
)
from medroi.scans.formats import read_scan, stem_of
from medroi.scans.formats.names import printable
from medroi.scans.masking import mask_options
from medroi.scans.progress import bar
from medroi.scans.report import PackReport
from medroi.scans.scan import Scan
from medroi.scans.sources.finding import finding
from medroi.scans.sources.pieces import contents
from medroi.scans.sources.sidecars import with_sidecars
from medroi.scans.stores import air as aside
from medroi.scans.stores import hdf5_append, hdf5_store
from medroi.scans.stores.apart import check_apart
from medroi.scans.stores.folders import made_parent, nbytes_in
from medroi.scans.stores.group import ome
from medroi.scans.stores.hdf5_array import stored_nbytes_of
from medroi.scans.stores.layouts import GROUP_SUFFIX, Target, cut_of, kind_for, target_of
from medroi.scans.stores.readback import Measured, measure, number
from medroi.scans.stores.replacing import is_store, may_replace
from medroi.scans.stores.staging import staged, workspace
from medroi.scans.stores.storing import digests_of, write_zarr, zipped
from medroi.scans.stores.wholeness import add_digests
from medroi.scans.stores.writing import Layout
from medroi.scans.stores.zarr_array import attributes_of
from medroi.scans.thresholding import with_threshold
from medroi.threads import n_threads_of
from medroi.working_memory import WorkingMemory, memory_of

# A chunk, what it is coded to, what it was decoded to, and the maps for comparing them.
_CHUNK_SHARE = 4


def pack(
    source: str | Path,
    target: str | Path,
    *,
    inner: Any = None,
    lossless: bool = False,
    layout: str | None = None,
    chunks: Sequence[int] | str | None = None,
    zarr_format: int = 3,
    force: bool = False,
    series: str | dicom.Chosen | None = None,
    identifiers: bool = True,
    encapsulated: str = "keep",
    incomplete: bool = False,
    sidecars: bool = True,
    progress: bool = False,
    mask: str | Path | None = None,
    mask_margin_mm: float = 0,
    mask_resample: bool = False,
    air: str = "drop",
    levels: int = 1,
    preview: bool = False,
    threads: int | None = None,
    memory: str | int | None = None,
    **region: Any,
) -> PackReport:
    """Pack a scan, read it back and report what was kept and what it cost.

    Parameters
    ----------
    source : path
        A scan file of any kind that `read_scan` takes, or a folder with one DICOM series.
    target : path
        What to write: an OME-Zarr group, ``NAME.ome.zarr``, which is nifti-zarr as well
        (``NAME.nii.zarr``); a Zarr array, ``NAME.zarr``; one of these in a zip file,
        ``NAME.ome.zarr.zip``; or an HDF5 file, ``FILE.h5`` or ``FILE.h5/NAME``, to which a dataset
        is added. In an existing folder it is ``NAME.ome.zarr``. It appears only when it is
        complete.
    inner : str, dict or codec, optional
        The inner codec; None is that of the layout, and predict3d at its dense level for floats and
        where the region drops nothing.
    lossless : bool
        Keep every voxel that is not background, with an inner codec that is lossless too.
    layout : {"viewer", "archive", "training", "bare"}, optional
        A group with chunks of 64 voxels in one shard, coded fast; a group with one chunk, coded
        densely; a group with chunks of 32 in one shard; an array that stands alone, one chunk.
        None is what the name of the target says.
    chunks : "volume" or ints, optional
        ``"volume"`` is one chunk; a scan with more than three axes and above 1 GiB, and every one
        in a group, gets one chunk per 3-D volume. One int, or one per axis; axes that are not
        given are not cut. None is what the layout has.
    zarr_format : int
        3 or 2, which an array that stands alone can have.
    force : bool
        Replace an existing store, with nothing else in its folder, or a dataset.
    series : str, optional
        Of DICOM, number or SeriesInstanceUID of the series, where there are several;
        `pack_series` packs them all.
    identifiers : bool
        Of DICOM, keep all that the files hold, which gives them back. False keeps technical
        elements only.
    incomplete : bool
        Of DICOM, pack a series of which slices are missing, with a note.
    encapsulated : {"keep", "decode"}
        Keep compressed pixels of DICOM, and those of MINC 2 and TIFF that cannot be made again,
        beside the voxels, which gives the files back, or not.
    sidecars : bool
        Take with the scan what lies beside it under its name: .json, .bval, .bvec, .tsv, and the
        tables of events of its run. `unpack` into a folder gives these files back.
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
    levels : int
        Resolutions of a group: each but the first is half as large as the one before, for viewers.
        Intensities become the mean, labels the most frequent one.
    preview : bool
        Give a group a level of a 64th of the voxels alone, which a viewer shows first.
    threads : int, optional
        Chunks that are coded and read back at a time; None is one per available core. The bytes
        are the same for any number.
    memory : str or int, optional
        Memory that may be taken, ``"2GiB"`` or bytes; None is that of the machine. What takes more
        than an eighth of it lies in files without a name, in the folder that TMPDIR names, or
        beside the target: up to three bytes a voxel, and the voxels themselves where the source
        is no uncompressed file. The bytes are the same for any number. One chunk has to be smaller
        than a quarter of it.
    **region
        Options of `medroi.MedROI`: threshold, polarity, roi (default ``"mask"``; ``"box"`` for the
        thresholds that only a box has), background (default ``"auto"``), padding, max_miss_rate,
        verify.
    """
    source = Path(source)
    target = placed(source, target)
    wanted = target_of(target, layout, source)
    check_apart(source, target, wanted.place)
    is_chosen, inner = inner is not None, dict(wanted.kind.inner) if inner is None else inner
    threads = _checked(wanted, zarr_format, air, inner, levels, threads, preview=preview)
    if mask is not None and (lossless or "roi" in region):
        raise InvalidArgument(
            "a mask decides what is kept: leave out --lossless (lossless=True) and --roi (roi=)"
        )
    if lossless:
        # Refuses a lossy inner codec, and a threshold beside it.
        medroi.MedROI.lossless(inner, **region)
        region["threshold"] = None
    began = time.monotonic()
    place = wanted.place
    file = target if place is None else place.file
    with (
        made_parent(file),
        _staged(wanted, force=force) as fresh,
        contextlib.ExitStack() as beside,
    ):
        working = memory_of(memory, fresh.parent)
        scan = read_scan(
            source,
            series=series,
            identifiers=identifiers,
            incomplete=incomplete,
            encapsulated=encapsulated,
            sidecars=sidecars,
            memory=working,
        )
        if sidecars and scan.kind != "dicom":
            scan = with_sidecars(scan, source, stem_of(source))
        containers = beside.enter_context(finding(scan.sources, lambda file: contents(scan, file)))
        region, reasons = with_threshold(scan, region)
        kind, notes_of_kind = kind_for(scan, wanted)
        cut = cut_of(kind, scan.voxels, chunks, in_c_order=place is not None)
        _check_memory(scan, cut, working, is_default=memory is None)
        made = Layout(cut, zarr_format, kind.in_group)
        given = mask_options(
            scan,
            None if mask is None else Path(mask),
            mask_margin_mm,
            resample=mask_resample,
            memory=working,
        )
        codec, notes = fitted_codec(scan, inner, {**region, **given}, working)
        if not is_chosen:
            codec = with_inner_for(codec, scan)
        config = config_to_count_with(codec)
        n_chunks = count_chunks(scan.voxels.shape, made.chunks)
        # cd_values have no affine: the filter alone would find another region.
        is_alone = place is None and n_chunks == 1 and not kind.in_group
        crops = crops_of(codec, is_alone=is_alone)
        name = hdf5_store.name_of(target)
        with bar(2 * n_chunks, f"pack {name}", show=progress, nbytes=scan.voxels.nbytes) as advance:
            if place is None:
                stored = fresh.with_name("store") if wanted.is_zip else fresh
                write_zarr(
                    stored,
                    scan,
                    codec,
                    crops,
                    made,
                    advance,
                    memory=working,
                    n_levels=levels,
                    preview=preview,
                    threads=threads,
                )
            else:
                stored = fresh / place.name
                written = hdf5_store.Place(fresh, place.name)
                facts = attributes_of(scan)
                hdf5_store.write(
                    written, scan, codec.get_config(), crops, made.chunks, facts, advance
                )
            measured = measure(stored, scan.voxels, config, crops, advance, threads, working)
        whole = dataclasses.replace(
            scan, sources=containers(), details={**scan.details, **_dropped_of_files(scan, codec)}
        )
        _check_promise(source, measured, config["inner"], lossless=lossless)
        check_not_empty(source, scan.voxels, measured, config)
        digests = digests_of(stored, whole, measured, config["inner"])
        if air == "keep":
            digests[aside.NAME] = aside.write(stored, scan, codec, made, threads, working)
        add_digests(stored, attributes_of(whole), digests)
        air_nbytes = aside.nbytes_of(stored)
        if wanted.is_zip:
            zipped(stored, fresh)
        stored_nbytes = nbytes_in(fresh)
    return PackReport(
        source=source.name,
        target=name,
        chunks=made.chunks,
        n_chunks=n_chunks,
        zarr_format=zarr_format if place is None else None,
        threshold_rule=rule_of(region["threshold"], config["roi"]),
        **_facts(scan, measured, config),
        air_nbytes=air_nbytes,
        dropped=codec.region.dropped.facts(),
        left_out=codec.region.left_out_facts(),
        source_nbytes=sum(file.nbytes for file in scan.sources) or stored_nbytes_of(source),
        stored_nbytes=stored_nbytes,
        seconds=time.monotonic() - began,
        notes=scan.notes + notes_of_kind + reasons + notes,
    )


def _dropped_of_files(scan: Scan, codec: Any) -> dict[str, Any]:
    """Count the voxels that each file lacks, of a scan that has many files."""
    if not returning.has_files(scan):
        return {}
    counts = returning.outside_by_slice(
        scan.voxels,
        codec.region.kept,
        codec.region.background,
        has_samples="components" in scan.details,
    )
    return {returning.OUTSIDE: counts} if any(counts) else {}


def is_folder_target(target: str | Path) -> bool:
    """Whether a target is a folder to put stores into, and no store."""
    path = Path(target)
    is_folder = str(target).endswith(("/", os.sep)) or (path.is_dir() and not is_store(path))
    names_store = path.name.lower().endswith((".zarr", ".zarr.zip", *hdf5_store.SUFFIXES))
    return is_folder and not names_store


def placed(source: Path, target: str | Path) -> Path:
    """The store that a target names: in a folder, the source's name with ``.ome.zarr``."""
    path = Path(target)
    if not is_folder_target(target):
        return path
    return path / f"{stem_of(source.resolve())}{GROUP_SUFFIX}"


def _checked(
    wanted: Target,
    zarr_format: int,
    air: str,
    inner: Any,
    levels: int,
    threads: int | None,
    *,
    preview: bool,
) -> int:
    """Refuse what does not go together; the number of threads."""
    place = wanted.place
    if place is not None and printable(place.name) != place.name:
        raise InvalidArgument(
            f"{wanted.path}: names in HDF5 are UTF-8 text; give the dataset another"
        )
    if zarr_format not in (2, 3):
        raise InvalidArgument(f"zarr_format is {zarr_format!r}; expected 3 or 2")
    if zarr_format == 2 and place is None and wanted.kind.in_group:
        raise InvalidArgument(
            f"{wanted.path}: OME-Zarr 0.5 has Zarr format 3; for format 2 name the target .zarr "
            "with --layout bare (layout='bare')"
        )
    if air not in ("drop", "keep"):
        raise InvalidArgument(f"air={air!r}: expected 'drop' or 'keep'")
    if air == "keep":
        aside.check_possible(place, inner)
    if not isinstance(levels, int) or not 1 <= levels <= ome.MAX_LEVELS:
        raise InvalidArgument(
            f"levels={levels!r}: expected a whole number from 1 to {ome.MAX_LEVELS}"
        )
    if preview and levels > 1:
        raise InvalidArgument("--levels (levels=) have the preview among them: leave it out")
    if (preview or levels > 1) and (place is not None or not wanted.kind.in_group):
        raise InvalidArgument(
            f"{wanted.path}: --levels and --preview (levels=, preview=) are those of a group; name "
            "the target .ome.zarr"
        )
    return n_threads_of(threads)


def _check_memory(
    scan: Scan, cut: tuple[int, ...], memory: WorkingMemory, *, is_default: bool
) -> None:
    """Refuse a chunk that alone would take more memory than there may be."""
    nbytes = math.prod(cut) * scan.voxels.dtype.itemsize
    if is_default or nbytes * _CHUNK_SHARE <= memory.limit_nbytes:
        return
    sizes = " x ".join(map(str, cut))
    raise InvalidArgument(
        f"one chunk of {sizes} voxels has {nbytes} bytes, which needs memory of "
        f"{nbytes * _CHUNK_SHARE} bytes, found {memory.limit_nbytes}: give smaller chunks, such as "
        "--chunks 64 (chunks=64) or the layout viewer, or more --memory (memory=)"
    )


def _staged(wanted: Target, *, force: bool) -> contextlib.AbstractContextManager[Path]:
    if wanted.place is None:
        return staged(wanted.path, force=force, may_replace=may_replace)
    if wanted.place.is_minc:
        return staged(wanted.place.file, force=force, may_replace=hdf5_append.is_packed_minc)
    return _joined(wanted.place, force=force)


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
        "spacing_mm": scan.spacing_mm,
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
