"""A folder of pictures as one scan: a slice each, in the order of their numbers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scans.formats import png
from medroi.scans.scan import Scan
from medroi.scans.sources.source import Piece, SourceFile

_MAX_PICTURES = 1 << 16


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder by their numbers; none where it holds other files too."""
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if not files or len(files) > _MAX_PICTURES:
        return []
    if not all(path.is_file() and path.name.lower().endswith(png.SUFFIXES) for path in files):
        return []
    return sorted(files, key=_by_numbers)


def read(folder: Path) -> Scan:
    """Read pictures of one size and type as the slices of a volume.

    Raises
    ------
    InvalidArgument
        Where one of them differs.
    """
    scans = [png.read(path) for path in pictures_in(folder)]
    first = scans[0]
    for scan in scans[1:]:
        if (scan.voxels.shape, scan.voxels.dtype) != (first.voxels.shape, first.voxels.dtype):
            raise InvalidArgument(
                f"{folder}: {scan.sources[0].name} has {scan.voxels.shape} {scan.voxels.dtype} "
                f"pixels, {first.sources[0].name} has {first.voxels.shape} {first.voxels.dtype}"
            )
    planes = [scan.voxels if scan.voxels.ndim > 2 else scan.voxels[:, :, None] for scan in scans]
    return dataclasses.replace(
        first,
        voxels=np.asfortranarray(np.concatenate(planes, axis=2)),
        header=b"".join(scan.header for scan in scans),
        footer=b"".join(scan.footer for scan in scans),
        sources=tuple(_sources(scans)),
        notes=(*first.notes, "the pictures are slices in the order of their numbers"),
    )


def _sources(scans: list[Scan]) -> list[SourceFile]:
    """Move the pieces of every picture to where they are in the whole scan."""
    at, found = {"header": 0, "voxels": 0, "footer": 0}, []
    for scan in scans:
        (file,) = scan.sources
        pieces: list[Piece] = [
            (name, start + at[name], stop + at[name]) for name, start, stop in file.pieces
        ]
        found.append(dataclasses.replace(file, pieces=tuple(pieces)))
        at["header"] += len(scan.header)
        at["voxels"] += scan.voxels.nbytes
        at["footer"] += len(scan.footer)
    return found


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
