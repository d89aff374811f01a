"""A folder of pictures as one scan: a slice each, in the order of their numbers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats import png, tiff
from medroi.scans.scan import Scan
from medroi.scans.sources.source import Piece, SourceFile
from medroi.working_memory import WorkingMemory

_MAX_PICTURES = 1 << 16
_MODULES = (png, tiff)


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures of a folder by their numbers; none where it holds other files too."""
    files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if not files or len(files) > _MAX_PICTURES:
        return []
    for module in _MODULES:
        if all(path.name.lower().endswith(module.SUFFIXES) and path.is_file() for path in files):
            return sorted(files, key=_by_numbers)
    return []


def read(folder: Path, memory: WorkingMemory) -> Scan:
    """Read pictures of one size and type as the slices of a volume.

    Raises
    ------
    InvalidArgument
        Where one of them differs.
    """
    paths = pictures_in(folder)
    first = _read_picture(paths[0], memory)
    plane = _plane(first)
    voxels = memory.array((*plane.shape[:2], len(paths), *plane.shape[3:]), plane.dtype, "F")
    joined = _Joined()
    for index, path in enumerate(paths):
        scan = _read_picture(path, memory)
        if (scan.voxels.shape, scan.voxels.dtype) != (first.voxels.shape, first.voxels.dtype):
            raise InvalidArgument(
                f"{folder}: {path.name} has {scan.voxels.shape} {scan.voxels.dtype} pixels, "
                f"{paths[0].name} has {first.voxels.shape} {first.voxels.dtype}"
            )
        if scan.byte_order != first.byte_order:
            raise InvalidArgument(
                f"{folder}: {path.name} has another byte order than {paths[0].name}; write one of "
                "them anew"
            )
        voxels[:, :, index] = _plane(scan)[:, :, 0]
        joined.add(scan)
    return dataclasses.replace(
        first,
        voxels=voxels,
        header=bytes(joined.header) if joined.is_kept else b"",
        footer=bytes(joined.footer) if joined.is_kept else b"",
        sources=tuple(joined.sources) if joined.is_kept else (),
        notes=(*joined.notes, "the pictures are slices in the order of their numbers"),
    )


def _read_picture(path: Path, memory: WorkingMemory) -> Scan:
    """Read one picture, whose pixels are one slice."""
    is_png = path.name.lower().endswith(png.SUFFIXES)
    scan = png.read(path, memory) if is_png else tiff.read(path, memory, remakes=False)
    if scan.voxels.ndim > 2 and scan.voxels.shape[2] > 1:
        raise InvalidArgument(
            f"{path}: {scan.voxels.shape[2]} pages; expected one in each file of a folder"
        )
    return scan


def _plane(scan: Scan) -> npt.NDArray[Any]:
    return scan.voxels if scan.voxels.ndim > 2 else scan.voxels[:, :, None]


@dataclasses.dataclass
class _Joined:
    """Bytes of pictures beside their pixels, joined, and the pieces of their files among them."""

    header: bytearray = dataclasses.field(default_factory=bytearray)
    footer: bytearray = dataclasses.field(default_factory=bytearray)
    voxels_nbytes: int = 0
    sources: list[SourceFile] = dataclasses.field(default_factory=list)
    notes: tuple[str, ...] = ()
    is_kept: bool = True

    def add(self, scan: Scan) -> None:
        """Take one picture in, and move the pieces of its file to where they are now."""
        self.notes = tuple(dict.fromkeys((*self.notes, *scan.notes)))
        # Of a file that does not come back nothing is kept, so that none of the others can.
        self.is_kept = self.is_kept and bool(scan.sources)
        if not self.is_kept:
            return
        at = {
            "header": len(self.header),
            "voxels": self.voxels_nbytes,
            "footer": len(self.footer),
        }
        (file,) = scan.sources
        pieces: list[Piece] = [
            (name, start + at[name], stop + at[name]) for name, start, stop in file.pieces
        ]
        self.sources.append(dataclasses.replace(file, pieces=tuple(pieces)))
        self.header += scan.header
        self.voxels_nbytes += scan.voxels.nbytes
        self.footer += scan.footer


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
