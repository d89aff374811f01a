"""File names and the formats that they are read and written as."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans import dicom
from medroi.scans.formats import mgz, nifti
from medroi.scans.formats.files import readable
from medroi.scans.scan import Scan
from medroi.scans.sources.containers import Written, container_of, write_blocks

READERS: dict[str, Callable[[Path], Scan]] = {
    **dict.fromkeys(nifti.SUFFIXES, nifti.read),
    **dict.fromkeys(mgz.SUFFIXES, mgz.read),
}
# Scan.kind -> the module that writes it; "array" is a Zarr array that was never a file.
WRITERS = {"nifti": nifti, "mgz": mgz, "dicom": nifti, "array": nifti}
_SOURCES = {
    "nifti": "a NIfTI file",
    "mgz": "a FreeSurfer volume",
    "dicom": "DICOM",
    "array": "no scan file",
}


def suffix_of(path: Path, known: Iterable[str]) -> str | None:
    """Return the longest known suffix that the name ends with."""
    name = path.name.lower()
    matches = [suffix for suffix in known if name.endswith(suffix)]
    return max(matches, key=len, default=None)


def read_scan(
    path: str | Path,
    *,
    series: str | None = None,
    identifiers: bool = True,
    incomplete: bool = False,
    encapsulated: str = "keep",
) -> Scan:
    """Read a NIfTI file, a FreeSurfer volume, or DICOM: a folder, a DICOMDIR or one file.

    Parameters
    ----------
    path : path
        The file or folder.
    series : str, optional
        Of DICOM, number, label or SeriesInstanceUID of the volume, where there are several.
    identifiers : bool
        Of DICOM, keep all that the files hold, which gives them back; False keeps technical
        elements only.
    incomplete : bool
        Of DICOM, take a series of which slices are missing, with a note.
    encapsulated : {"keep", "decode"}
        Of DICOM, keep compressed pixels beside the voxels, or do without the files.

    Raises
    ------
    InvalidArgument
        For files that are damaged or of another kind; the message says what was found.
    InnerUnavailable
        Where nibabel, pydicom or a decoder of compressed DICOM is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise InvalidArgument(f"{path} does not exist")
    if not path.is_dir() and not path.is_file():
        raise InvalidArgument(f"{path}: neither a file nor a folder")
    if path.is_dir() or (suffix_of(path, READERS) is None and dicom.is_dicom(path)):
        return dicom.read(
            path,
            series=series,
            identifiers=identifiers,
            incomplete=incomplete,
            encapsulated=encapsulated,
        )
    if path.suffix.lower() in (".hdr", ".img"):
        raise InvalidArgument(
            f"{path}: one half of a .hdr/.img pair; make it one file (nib-convert x.img x.nii)"
        )
    suffix = suffix_of(path, READERS)
    if suffix is None:
        raise InvalidArgument(
            f"{path}: expected {', '.join(READERS)} or a folder with one DICOM series"
        )
    with readable(path, "a damaged scan"):
        return READERS[suffix](path)


def check_target(scan_kind: str, path: Path) -> str:
    """Return the suffix under which this kind of scan is written, or say which are possible."""
    possible = WRITERS[scan_kind].SUFFIXES
    suffix = suffix_of(path, possible)
    if suffix is None:
        raise InvalidArgument(
            f"{path}: what was packed from {_SOURCES[scan_kind]} unpacks to {' or '.join(possible)}"
        )
    return suffix


def contents_of(scan: Scan, path: Path) -> Iterator[Any]:
    """Give what the file of a scan holds uncompressed, block by block.

    DICOM and plain arrays become NIfTI: the stored integers with slope and intercept in the header,
    or floats where slope and intercept vary from slice to slice (float32 if exact, else float64).

    Parameters
    ----------
    scan : Scan
        With its voxels.
    path : Path
        What errors name.
    """
    if scan.kind in ("dicom", "array"):
        voxels, slope, intercept = scan.voxels, scan.slope, scan.intercept
        if "rescale_per_slice" in scan.details:
            voxels, slope, intercept = dicom.rescaled(scan), 1.0, 0.0
        header = nifti.header_for(voxels, scan.affine, slope, intercept)
        scan = dataclasses.replace(scan, voxels=voxels, header=header)
    yield from WRITERS[scan.kind].contents(scan, path)


def write_scan(
    scan: Scan, path: Path, suffix: str, container: dict[str, Any] | None = None
) -> Written:
    """Write a scan to `path`, as the file that `suffix` stands for.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    path : Path
        The file; replaced if it exists.
    suffix : str
        As `check_target` gives it.
    container : dict, optional
        Of a `SourceFile`, to write its very bytes; by default what the suffix says, gzip without
        name and time, so that equal scans give equal bytes.
    """
    if container is None:
        container = container_of(suffix)
    return write_blocks(path, contents_of(scan, path), container)
