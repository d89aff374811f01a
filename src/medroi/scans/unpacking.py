"""A packed store back into the file it came from."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans import dicom
from medroi.scans.dicom import returning
from medroi.scans.formats import check_target, own_suffix, write_scan
from medroi.scans.formats.files import readable
from medroi.scans.progress import bar
from medroi.scans.report import megabytes
from medroi.scans.scan import Scan
from medroi.scans.sources import chunks
from medroi.scans.sources.containers import Written, write_blocks
from medroi.scans.sources.returned import ReturnedFile, lines_of, returned
from medroi.scans.sources.sidecars import attachment_of
from medroi.scans.sources.source import PLAIN, SourceFile
from medroi.scans.stores import air, hdf5_store
from medroi.scans.stores.apart import check_apart
from medroi.scans.stores.attachments import Readers
from medroi.scans.stores.decoding import read_whole
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.digests import StreamsDigest
from medroi.scans.stores.folders import made_parent
from medroi.scans.stores.kept import inspected, n_kept_of
from medroi.scans.stores.replacing import is_store
from medroi.scans.stores.staging import staged_together
from medroi.scans.stores.wholeness import (
    attachments_in,
    check_complete,
    check_others,
    facts_of,
    metadata_digest,
)
from medroi.scans.stores.zarr_array import (
    check_says_all,
    each_stream,
    foreign_scan,
    medroi_config,
    open_array,
    reading,
    scan_of,
)
from medroi.values import n_available_cores
from medroi.working_memory import WorkingMemory, memory_of


@dataclass(frozen=True)
class UnpackReport:
    """Files that were written."""

    source: str
    target: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    written_nbytes: int
    files: tuple[ReturnedFile, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the report as one line of text, and one for each note."""
        sizes = " x ".join(str(size) for size in self.shape)
        lines = [
            f"{self.source} -> {self.target}: {sizes} {self.dtype}, "
            f"{megabytes(self.written_nbytes)}, {self.seconds:.1f} s",
            *(f"  {line}" for line in lines_of(self.files)),
            *(f"  note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def unpack(
    source: str | Path,
    target: str | Path,
    *,
    force: bool = False,
    progress: bool = False,
    memory: str | int | WorkingMemory | None = None,
) -> UnpackReport:
    """Write a packed scan as the file it came from, or as another kind of file.

    Where no voxel was dropped, a file of the kind that was packed has the very bytes of it. The
    files of a DICOM series come back into a folder; named as a file it becomes NIfTI. A Zarr array
    that others wrote with MedROI becomes NIfTI with its codec's 3x3 affine. Where the air was kept
    aside, the file has it too: every voxel as it was packed.

    Parameters
    ----------
    source : path
        A packed store.
    target : path
        A new file, whose suffix says what it is to be; or a folder, which exists or whose name ends
        with ``/``: every file that was packed gets its own name there.
    force : bool
        Replace existing files.
    progress : bool
        Show a progress bar on a terminal when the work takes longer than a second.
    memory : str or int, optional
        As for `pack`.

    Raises
    ------
    CorruptStream
        Where header or voxels are not those that were packed.
    """
    into_folder = os.fspath(target).endswith("/") or Path(target).is_dir()
    source, target = Path(source), Path(target)
    check_apart(source, target)
    if into_folder and is_store(target):
        raise InvalidArgument(
            f"{target} is a store, in which other files have no place: name a folder, or a new file"
        )
    with readable(source, "a damaged store", keep=(OSError, MemoryError), target=target):
        return _unpack(source, target, into_folder, memory, force=force, progress=progress)


def _unpack(
    source: Path,
    target: Path,
    into_folder: bool,
    memory: str | int | WorkingMemory | None,
    *,
    force: bool,
    progress: bool,
) -> UnpackReport:
    began, name = time.monotonic(), hdf5_store.name_of(source)
    array = open_array(source)
    if array.ndim == 0:
        raise InvalidArgument(f"{source}: an array without axes")
    with reading(source, array):
        facts = facts_of(source, array)
        config = medroi_config(array)
        if config is None and facts is None:
            raise InvalidArgument(f"{source}: an array without MedROI; nothing to unpack")
        check_says_all(source, array)
        empty = np.empty((0,), dtype=array.dtype)
        described = None if facts is None else scan_of(empty, facts, source)
        check_complete(source, array)
    kind = "array" if described is None else described.kind
    with reading(source, array):
        readers = {} if facts is None else attachments_in(source, array)
    is_own = kind == "dicom" and (into_folder or dicom.is_name(target))
    if described is not None:
        described = replace(described, attachments=dict.fromkeys(readers, b""))
    if described is not None and is_own:
        wanted = _dicom_wanted(target, described, into_folder)
    else:
        wanted = _wanted(source, target, described, into_folder)
    notes: tuple[str, ...] = ()
    with contextlib.ExitStack() as stack:
        for file in wanted:
            stack.enter_context(made_parent(file.path))
        fresh = stack.enter_context(
            staged_together([file.path for file in wanted], force=force, may_replace=Path.is_file)
        )
        with (
            bar(array.nchunks, f"unpack {name}", show=progress, nbytes=array.nbytes) as advance,
            reading(source, array),
        ):
            n_dropped = 0
            working = memory_of(memory, fresh[0].parent)
            voxels, digest = read_whole(source, array, n_available_cores(), advance, working)
            if facts is not None:
                notes = _check_voxels(source, array, digest)
            if air.has_air(array):
                air.put_air(source, array, voxels, working)
            elif facts is not None:
                n_dropped = n_outside(source, array)
        scan = foreign_scan(voxels, config) if facts is None else scan_of(voxels, facts, source)
        lossless = facts is None or bool(array.attrs[DIGESTS]["lossless"])
        if is_own:
            check_others(source, array)
            scan = replace(scan, attachments={name: read() for name, read in readers.items()})
            paths = {
                file.source.name: path
                for file, path in zip(wanted, fresh, strict=True)
                if file.source is not None
            }
            names = None if into_folder else target.name
            files = returning.write_files(
                scan, paths, names, dropped=n_dropped > 0, lossless=lossless
            )
        else:
            files = tuple(
                returned(
                    file.path.name,
                    _write(scan, path, file, readers),
                    file.source,
                    n_dropped,
                    lossless=lossless,
                )
                for file, path in zip(wanted, fresh, strict=True)
            )
        left = [file.name for file in scan.sources if file.role == "sidecar"]
        if left and not into_folder:
            notes += (f"a folder as target gets {', '.join(left)} too",)
    return UnpackReport(
        source=name,
        target=target.name,
        kind=kind,
        shape=array.shape,
        dtype=str(array.dtype),
        written_nbytes=sum(file.nbytes for file in files),
        files=files,
        seconds=time.monotonic() - began,
        notes=notes,
    )


def _dicom_wanted(target: Path, described: Scan, into_folder: bool) -> list[_Wanted]:
    """All files of a series, or the one that there is."""
    sources = returning.files_of(described)
    if into_folder:
        return [_Wanted(target / file.name, "", file, is_own=True) for file in sources]
    images = [file for file in sources if file.role == "image"]
    if len(images) > 1:
        raise InvalidArgument(
            f"{target}: packed from {len(images)} DICOM files; name a folder to unpack them to "
            f"({target.parent}/), or a file .nii or .nii.gz"
        )
    return [_Wanted(target, "", images[0], is_own=True)]


@dataclass(frozen=True)
class _Wanted:
    """A file to write: its kind by suffix, and which of the packed files it is to be."""

    path: Path
    suffix: str
    source: SourceFile | None
    is_own: bool


def _wanted(store: Path, target: Path, described: Scan | None, into_folder: bool) -> list[_Wanted]:
    sources = () if described is None else described.sources
    images = [file for file in sources if file.role == "image"]
    if not into_folder:
        suffix = check_target(described, target)
        # One file can only be one that was alone.
        image = images[0] if len(images) == 1 else None
        is_own = image is not None and image.name.lower().endswith(suffix)
        return [_Wanted(target, suffix, image, is_own)]
    if not images:
        raise InvalidArgument(
            f"{store}: names no files that could get their own names in {target}; name a new file"
        )
    return [
        _Wanted(target / file.name, own_suffix(described, file), file, True) for file in sources
    ]


def _write(scan: Scan, path: Path, file: _Wanted, readers: Readers) -> Written:
    source = file.source
    if source is not None and source.role == "sidecar":
        return write_blocks(path, [readers[attachment_of(source.name)]()], PLAIN)
    if source is not None and file.is_own and source.container == chunks.CONTAINER:
        attachment = readers[chunks.attachment_of(source.name)]()
        return write_blocks(path, chunks.contents(scan, source, attachment), PLAIN)
    return write_scan(scan, path, file.suffix, source if file.is_own else None)


def _check_voxels(path: Path, array: Any, found: str) -> tuple[str, ...]:
    """Refuse other voxels than those that were packed; a note where it is their decoder's doing."""
    written = array.attrs[DIGESTS]
    if found == written["voxels"]:
        return ()
    streams = StreamsDigest()
    for position, _, stream in each_stream(path, array):
        streams.add(position, stream or b"")
    as_packed = (streams.hexdigest(), metadata_digest(path, array))
    if written["lossless"] or as_packed != (written["streams"], written["metadata"]):
        raise CorruptStream(
            f"{path}: the voxels are not those that were packed; nothing is written"
        )
    return (
        "the stored bytes are those that were packed, but the version of the lossy inner codec "
        "here decodes them to slightly other values",
    )


def n_outside(path: Path, array: Any) -> int:
    """Voxels of a packed scan that its region dropped; none where all but background is kept."""
    region = array.attrs.get(REGION)
    n_voxels: int = math.prod(array.shape)
    if region is not None:
        if region["threshold"] is None and not region["is_given"] and not region["n_left_out"]:
            return 0
        n_kept = n_voxels // int(region["n_voxels"]) * int(region["n_kept"])
        return n_voxels - n_kept
    n_kept = 0
    for _, selection, found in each_stream(path, array):
        stream, shape = found or b"", tuple(part.stop - part.start for part in selection)
        info = inspected(array, stream)
        has_threshold = info.n_left_out or not math.isnan(info.threshold)
        n_kept += n_kept_of(stream, info, shape) if has_threshold else math.prod(shape)
    return n_voxels - n_kept
