"""DICOM in, and the very files out again.

A folder holds files of one series or of many, with whatever lies beside them; a file may be one
slice, or hold many as frames or tiles. `files` reads all headers, `frames` finds the slices in each
file, `splitting` says which slices make a volume, `geometry` and `timing` give each its place in
space and time, `pixels` reads them. The array has the axes (column, row, slice[, time]), Fortran
order: the stored integers, neither rescaled nor inverted. Slices that share slope and intercept
keep them as two numbers; where these vary, the table of them is kept, and only NIfTI has floats.

`skeletons` keeps all bytes of the files but those that the voxels give back, identifiers of the
patient among them, unless these are to stay behind.
"""

from __future__ import annotations

import contextlib
import gzip
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medroi.scans.dicom.files import Found, find_images, is_directory_file
from medroi.scans.dicom.splitting import Volume, choose, split
from medroi.scans.dicom.volume import assembled, check_encapsulated, files_of
from medroi.scans.formats.files import readable
from medroi.scans.scan import Scan
from medroi.working_memory import WorkingMemory, memory_of

SUFFIXES = (".dcm", ".dcm.gz", ".dicom", ".ima")
_MAGIC_OFFSET = 128


def is_name(path: Path) -> bool:
    """Whether a name is one that DICOM files have."""
    return path.name.lower().endswith(SUFFIXES)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its name or by what stands behind its preamble."""
    if is_name(path) or is_directory_file(path):
        return True
    with path.open("rb") as file:
        begin = file.read(_MAGIC_OFFSET + 4)
    if begin.startswith(b"\x1f\x8b"):
        # What is no gzip after all is no DICOM either.
        with contextlib.suppress(OSError, EOFError, zlib.error), gzip.open(path) as file:
            begin = file.read(_MAGIC_OFFSET + 4)
    return begin[_MAGIC_OFFSET:] == b"DICM"


def find_volumes(source: Path) -> tuple[list[Volume], Found]:
    """Find what a folder, a DICOMDIR or a file holds, without its pixels.

    Raises
    ------
    InvalidArgument
        Where a file cannot be read, or contradicts itself.
    """
    with _reading(source):
        found = find_images(source)
        return split(found.images, found.folder), found


@dataclass(frozen=True)
class Chosen:
    """One volume of a folder whose headers were read, and all that was found beside it."""

    volume: Volume
    volumes: tuple[Volume, ...]
    found: Found


def find_series(source: Path) -> list[Chosen]:
    """Find every volume of a folder or a DICOMDIR, each to be read by itself.

    Raises
    ------
    InvalidArgument
        Where a file cannot be read, or contradicts itself.
    """
    volumes, found = find_volumes(source)
    return [Chosen(volume, tuple(volumes), found) for volume in volumes]


def find_one(source: Path, wanted: str | None) -> Chosen:
    """Find the one volume, or that of a number, a label or a SeriesInstanceUID.

    Raises
    ------
    InvalidArgument
        Where a file cannot be read, or contradicts itself; where there are several, or none is
        meant.
    """
    volumes, found = find_volumes(source)
    return Chosen(choose(volumes, wanted, source), tuple(volumes), found)


def read(
    source: Path,
    *,
    series: str | Chosen | None = None,
    identifiers: bool = True,
    incomplete: bool = False,
    encapsulated: str = "keep",
    sidecars: bool = True,
    memory: WorkingMemory | None = None,
) -> Scan:
    """Read one volume of a folder, a DICOMDIR or a file.

    Parameters
    ----------
    source : Path
        A folder with files in any order, under any names, at any depth; a DICOMDIR; a file.
    series : str or Chosen, optional
        Number, label or SeriesInstanceUID of the volume, where there are several.
    identifiers : bool
        Keep all that the files hold, which gives them back. False keeps technical elements only.
    incomplete : bool
        Take a volume of which slices are missing, with a note.
    encapsulated : {"keep", "decode"}
        Pixels that are compressed in the files cannot be made again from voxels: keep them beside
        these, or do without the files.
    sidecars : bool
        Keep the files that hold no images.
    memory : WorkingMemory, optional
        For the voxels, and for one file with its pixels; None is that of the machine.

    Raises
    ------
    InvalidArgument
        For files that are damaged or do not fit together, and a file for which there is no memory;
        the message names them.
    InnerUnavailable
        Where pydicom or a decoder of compressed pixels is not installed.
    """
    chosen = series if isinstance(series, Chosen) else find_one(source, series)
    with _reading(source):
        return assembled(
            chosen.volume,
            chosen.volumes,
            chosen.found,
            identifiers=identifiers,
            incomplete=incomplete,
            encapsulated=encapsulated,
            sidecars=sidecars,
            memory=memory_of(memory),
        )


@contextlib.contextmanager
def _reading(source: Path) -> Iterator[None]:
    with warnings.catch_warnings(), readable(source, "a damaged DICOM series"):
        # pydicom warns of elements that break the standard; those that matter are checked here.
        warnings.simplefilter("ignore")
        yield


__all__ = [
    "Chosen",
    "Found",
    "Volume",
    "check_encapsulated",
    "files_of",
    "find_one",
    "find_series",
    "find_volumes",
    "is_dicom",
    "is_directory_file",
    "is_name",
    "read",
]
