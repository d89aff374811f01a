"""A packed store back into the file it came from."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.files import readable, staged
from medroi.scans.folders import made_parent
from medroi.scans.formats import check_target, write_scan
from medroi.scans.progress import bar
from medroi.scans.report import megabytes
from medroi.scans.scan import Scan
from medroi.scans.store import (
    ATTRIBUTE,
    Advance,
    check_complete,
    medroi_config,
    open_array,
    scan_of,
)


@dataclass(frozen=True)
class UnpackReport:
    """What was written."""

    source: str
    target: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    written_nbytes: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the report as one line of text."""
        sizes = " x ".join(str(size) for size in self.shape)
        return (
            f"{self.source} -> {self.target}: {sizes} {self.dtype}, "
            f"{megabytes(self.written_nbytes)}, {self.seconds:.1f} s"
        )


def unpack(
    source: str | Path, target: str | Path, *, force: bool = False, progress: bool = False
) -> UnpackReport:
    """Write a packed scan as the kind of file it came from.

    NIfTI and FreeSurfer volumes get back every byte before and behind the voxels. DICOM becomes
    NIfTI. A Zarr array that others wrote with MedROI becomes NIfTI with its codec's 3x3 affine.
    """
    source, target = Path(source), Path(target)
    with readable(source, "a damaged store", keep=(OSError, MemoryError), target=target):
        return _unpack(source, target, force=force, progress=progress)


def _unpack(source: Path, target: Path, *, force: bool, progress: bool) -> UnpackReport:
    began = time.monotonic()
    array = open_array(source)
    if array.ndim == 0:
        raise InvalidArgument(f"{source}: an array without axes")
    attributes = array.attrs.asdict().get(ATTRIBUTE)
    packed_by_us = isinstance(attributes, dict)
    config = medroi_config(array)
    if config is None and not packed_by_us:
        raise InvalidArgument(f"{source}: an array without MedROI; nothing to unpack")
    empty = np.empty((0,), dtype=array.dtype)
    kind = scan_of(empty, attributes, source).kind if packed_by_us else "array"
    suffix = check_target(kind, target)
    check_complete(source, array)
    with (
        made_parent(target),
        staged(target, force=force, may_replace=Path.is_file) as fresh,
    ):
        with bar(array.nchunks, f"unpack {source.name}", show=progress) as advance:
            voxels = _read(array, advance)
        scan = scan_of(voxels, attributes, source) if packed_by_us else foreign_scan(voxels, config)
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
    )


def _read(array: Any, advance: Advance) -> npt.NDArray[Any]:
    """Read the whole array in the order of the file, one slab of chunks at a time."""
    voxels = np.empty(array.shape, dtype=array.dtype.newbyteorder("="), order="F")
    step = array.chunks[-1]
    for start in range(0, array.shape[-1], step):
        slab = (..., slice(start, start + step))
        voxels[slab] = array[slab]
        advance(array.nchunks // max(1, array.cdata_shape[-1]))
    return voxels


def foreign_scan(voxels: npt.NDArray[Any], config: dict[str, Any] | None) -> Scan:
    """Make a scan of an array that `pack` did not write; only its codec knows an affine."""
    affine = np.eye(4)
    if config is not None and config["affine"] is not None:
        affine[:3, :3] = config["affine"]
    return Scan(voxels=voxels, kind="array", affine=affine)
