"""A packed store back into the file it came from."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.formats import check_target, write_scan
from medroi.scans.formats.files import readable
from medroi.scans.progress import bar
from medroi.scans.report import megabytes
from medroi.scans.scan import Scan
from medroi.scans.stores import air
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.digests import StreamsDigest, VoxelsDigest
from medroi.scans.stores.folders import made_parent
from medroi.scans.stores.staging import staged
from medroi.scans.stores.wholeness import check_complete, facts_of, metadata_digest
from medroi.scans.stores.zarr_array import (
    Advance,
    chunk_selections,
    chunk_stream,
    medroi_config,
    open_array,
    reading,
    scan_of,
)


@dataclass(frozen=True)
class UnpackReport:
    """Files that were written."""

    source: str
    target: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    written_nbytes: int
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
            *(f"  note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def unpack(
    source: str | Path, target: str | Path, *, force: bool = False, progress: bool = False
) -> UnpackReport:
    """Write a packed scan as the kind of file it came from.

    NIfTI and FreeSurfer volumes get back every byte before and behind the voxels. DICOM becomes
    NIfTI. A Zarr array that others wrote with MedROI becomes NIfTI with its codec's 3x3 affine.
    Where the air was kept aside, the file has it too: every voxel as it was packed.

    Raises
    ------
    CorruptStream
        Where header or voxels are not those that were packed.
    """
    source, target = Path(source), Path(target)
    with readable(source, "a damaged store", keep=(OSError, MemoryError), target=target):
        return _unpack(source, target, force=force, progress=progress)


def _unpack(source: Path, target: Path, *, force: bool, progress: bool) -> UnpackReport:
    began = time.monotonic()
    array = open_array(source)
    if array.ndim == 0:
        raise InvalidArgument(f"{source}: an array without axes")
    with reading(source, array):
        facts = facts_of(source, array)
        config = medroi_config(array)
        if config is None and facts is None:
            raise InvalidArgument(f"{source}: an array without MedROI; nothing to unpack")
        empty = np.empty((0,), dtype=array.dtype)
        kind = "array" if facts is None else scan_of(empty, facts, source).kind
        check_complete(source, array)
    suffix = check_target(kind, target)
    notes: tuple[str, ...] = ()
    with (
        made_parent(target),
        staged(target, force=force, may_replace=Path.is_file) as fresh,
    ):
        with (
            bar(array.nchunks, f"unpack {source.name}", show=progress) as advance,
            reading(source, array),
        ):
            voxels, digest = _read(array, advance)
            if facts is not None:
                notes = _check_voxels(source, array, digest)
            if air.has_air(array):
                voxels = air.with_air(source, array, voxels)
        scan = foreign_scan(voxels, config) if facts is None else scan_of(voxels, facts, source)
        write_scan(scan, fresh, suffix)
        written_nbytes = fresh.stat().st_size
    return UnpackReport(
        source=source.name,
        target=target.name,
        kind=kind,
        shape=array.shape,
        dtype=str(array.dtype),
        written_nbytes=written_nbytes,
        seconds=time.monotonic() - began,
        notes=notes,
    )


def _check_voxels(path: Path, array: Any, found: str) -> tuple[str, ...]:
    """Refuse other voxels than those that were packed; a note where it is their decoder's doing."""
    written = array.attrs[DIGESTS]
    if found == written["voxels"]:
        return ()
    streams = StreamsDigest()
    for position, _ in chunk_selections(array):
        streams.add(position, chunk_stream(path, array, position) or b"")
    as_packed = (streams.hexdigest(), metadata_digest(path, array))
    if written["lossless"] or as_packed != (written["streams"], written["metadata"]):
        raise CorruptStream(
            f"{path}: the voxels are not those that were packed; nothing is written"
        )
    return (
        "the stored bytes are those that were packed, but the version of the lossy inner codec "
        "here decodes them to slightly other values",
    )


def _read(array: Any, advance: Advance) -> tuple[npt.NDArray[Any], str]:
    """Read the whole array slab by slab, in the order of the file; and its digest."""
    voxels = np.empty(array.shape, dtype=array.dtype.newbyteorder("="), order="F")
    digest = VoxelsDigest(array.shape, array.dtype)
    step = array.chunks[-1]
    for start in range(0, array.shape[-1], step):
        slab = (..., slice(start, start + step))
        voxels[slab] = array[slab]
        digest.add_slab(voxels[slab])
        advance(array.nchunks // max(1, array.cdata_shape[-1]))
    return voxels, digest.hexdigest()


def foreign_scan(voxels: npt.NDArray[Any], config: dict[str, Any] | None) -> Scan:
    """Make a scan of an array that `pack` did not write; only its codec knows an affine."""
    affine = np.eye(4)
    if config is not None and config["affine"] is not None:
        affine[:3, :3] = config["affine"]
    return Scan(voxels=voxels, kind="array", affine=affine)
