"""The files of a series out of a store again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.dicom import skeletons
from medroi.scans.scan import Scan
from medroi.scans.sources.containers import container_of, write_blocks
from medroi.scans.sources.returned import ReturnedFile, returned
from medroi.scans.sources.source import SourceFile

# Of the details of a scan: voxels of each slice, at each time, that its region dropped.
OUTSIDE = "n_outside_by_slice"


@dataclass(frozen=True)
class MadeFile:
    """A file that was made again: its contents, gunzipped, and the voxels that its slices lack."""

    source: SourceFile
    contents: bytes
    n_dropped: int


def has_files(scan: Scan) -> bool:
    """Whether a scan, with its voxels or without, has what gives its files back."""
    return scan.kind == "dicom" and skeletons.NAME in scan.attachments


def files_of(scan: Scan) -> tuple[SourceFile, ...]:
    """The files that a store gives back, in the order of `made_files`.

    Raises
    ------
    InvalidArgument
        Where the store was packed without them.
    """
    if not has_files(scan):
        raise InvalidArgument(
            "packed without its DICOM files (--without-identifiers, or --encapsulated decode): it "
            "unpacks to NIfTI; name a file .nii or .nii.gz"
        )
    return scan.sources


def outside_by_slice(
    voxels: npt.NDArray[Any],
    kept: Callable[[list[tuple[int, int]]], npt.NDArray[np.bool_]],
    background: float | int,
    *,
    has_samples: bool = False,
) -> list[int]:
    """Count the voxels of each slice that a region drops and that are not background anyway.

    Parameters
    ----------
    voxels : ndarray
        (column, row, slice[, time][, sample]).
    kept : callable
        Gives the flags of a part by its bounds; see `ScanRegion.kept`.
    background : number
    has_samples : bool
        Whether the last axis is that of the numbers of a colour.
    """
    counts = []
    # Slice by slice: flags of the whole scan would be as large as the scan.
    for place in np.ndindex(voxels.shape[2 : voxels.ndim - has_samples][::-1]):
        bounds = [*((0, n) for n in voxels.shape[:2]), *((k, k + 1) for k in place[::-1])]
        bounds += [(0, n) for n in voxels.shape[len(bounds) :]]
        part = voxels[tuple(slice(*bound) for bound in bounds)]
        counts.append(int(np.count_nonzero(~kept(bounds) & (part != background))))
    return counts


def made_files(scan: Scan) -> Iterator[MadeFile]:
    """Make all files of a scan again, from its voxels and its attachment.

    Raises
    ------
    CorruptStream
        Where these do not fit together.
    """
    found = skeletons.unpacked(scan.attachments[skeletons.NAME])
    if [source.name for source in scan.sources] != [skeleton.name for skeleton in found]:
        raise CorruptStream("the files that are listed are not those whose bytes are kept")
    shape = scan.voxels.shape[2:-1] if "components" in scan.details else scan.voxels.shape[2:]
    n_planes = math.prod(shape)
    outside = np.asarray(scan.details.get(OUTSIDE) or [0] * n_planes)
    if outside.shape != (n_planes,) or outside.dtype.kind not in "iu":
        raise CorruptStream(f"{OUTSIDE} does not fit voxels of shape {scan.voxels.shape}")
    made = skeletons.contents_of(found, scan.voxels)
    for source, skeleton, (_, contents) in zip(scan.sources, found, made, strict=True):
        planes = [plane for plane in skeleton.planes if plane >= 0]
        yield MadeFile(source, contents, int(outside[planes].sum()))


def write_files(
    scan: Scan, paths: dict[str, Path], name: str | None, *, dropped: bool, lossless: bool
) -> tuple[ReturnedFile, ...]:
    """Write files of a series.

    Parameters
    ----------
    scan : Scan
        With its voxels and attachment.
    paths : dict of str to Path
        Where to write, by the names of the files; those that are not named are left out.
    name : str or None
        Of the one file that is written, where it gets another name than its own.
    dropped : bool
        Whether what its region dropped is missing in the voxels.
    lossless : bool
        Whether the rest is exact.
    """
    found = []
    for made in made_files(scan):
        file = made.source
        if file.name not in paths:
            continue
        container = file.container if file.comes_back else container_of(file.name)
        written = write_blocks(paths[file.name], [made.contents], container)
        n_dropped = made.n_dropped if dropped else 0
        found.append(returned(name or file.name, written, file, n_dropped, lossless=lossless))
    return tuple(found)
