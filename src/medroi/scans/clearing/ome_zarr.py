"""A cleared scan as an OME-Zarr 0.5 group of Zarr's own codecs, with the header of nifti-zarr."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument, MedROIError
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scan_region import ScanRegion
from medroi.scans.clearing.comparing import check_written
from medroi.scans.scan import Scan, require
from medroi.scans.stores.group import ome
from medroi.scans.stores.group.writing import write_group

SUFFIXES = (".ome.zarr", ".nii.zarr")
_CHUNK = 64
_LEVEL, _LEVEL_SHUFFLED = 9, 5
_AS_WRITTEN = {"zarr.json", ome.HEADER, ome.LEVEL.format(0)}


def check_possible(target: Path, scan: Scan) -> None:
    """Refuse what OME-Zarr has no room for, and what the name of the target promises in vain.

    Raises
    ------
    InvalidArgument
    """
    if not ome.has_room(scan.voxels.ndim):
        raise InvalidArgument(
            f"{target}: OME-Zarr has no room for a scan of {scan.voxels.ndim} axes; expected 2 to "
            "4. Clear it into a file of its own kind"
        )
    if target.name.lower().endswith(".nii.zarr") and ome.header_of(scan) is None:
        raise InvalidArgument(
            f"{target}: NIfTI has no voxels of type {scan.voxels.dtype}; name the target .ome.zarr"
        )


def write(
    fresh: Path, target: Path, scan: Scan, voxels: npt.NDArray[Any], region: ScanRegion
) -> None:
    """Write a group and read it back.

    Parameters
    ----------
    fresh : Path
        Where it is written.
    target : Path
        Where it will be; for messages.
    scan : Scan
        As it was read.
    voxels : ndarray
        The same, cleared.
    region : ScanRegion
        What is kept.

    Raises
    ------
    MedROIError
        Where it does not come back.
    """
    zarr = require("zarr", "an OME-Zarr group")
    write_group(fresh, dataclasses.replace(scan, attachments={}), {})
    stored = voxels.T
    cut = tuple(min(_CHUNK, size) for size in stored.shape)
    # A series has one volume in each chunk.
    cut = (*(1 for _ in stored.shape[3:]), *cut[len(stored.shape[3:]) :])
    array = zarr.open_group(str(fresh), mode="r+").create_array(
        ome.LEVEL.format(0),
        shape=stored.shape,
        chunks=cut,
        # All chunks in one file.
        shards=tuple(-(-size // edge) * edge for size, edge in zip(stored.shape, cut, strict=True)),
        dtype=stored.dtype,
        filters=None,
        compressors=_codec(zarr, stored.dtype),
        fill_value=region.background,
        dimension_names=ome.axis_names(scan),
        attributes={REGION: region.transposed().facts()},
    )
    array[...] = stored
    again = zarr.open_group(str(fresh), mode="r")
    found = np.asarray(again[ome.LEVEL.format(0)][...]).T
    check_written(target, found, scan.voxels, region)
    header = ome.header_of(scan)
    if header is not None and again[ome.HEADER][...].tobytes() != header:
        raise MedROIError(f"{target}: its header did not come back; nothing is written")


def is_cleared(path: Path) -> bool:
    """Whether a folder is a group that `write` made, with nothing else in it."""
    if not (path / "zarr.json").is_file() or not _AS_WRITTEN.issuperset(
        found.name for found in path.iterdir()
    ):
        return False
    try:
        group = json.loads((path / "zarr.json").read_bytes())
        array = json.loads((path / ome.LEVEL.format(0) / "zarr.json").read_bytes())
        # A group that was packed has the facts of its scan too.
        return set(group["attributes"]) == {"ome"} and REGION in array["attributes"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def _codec(zarr: Any, dtype: np.dtype[Any]) -> Any:
    """Zstandard; the bytes of integers are sorted by their rank first, which makes them smaller."""
    if dtype.kind in "iu" and dtype.itemsize > 1:
        return zarr.codecs.BloscCodec(
            cname="zstd", clevel=_LEVEL_SHUFFLED, shuffle="shuffle", typesize=dtype.itemsize
        )
    return zarr.codecs.ZstdCodec(level=_LEVEL)
