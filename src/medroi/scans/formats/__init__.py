"""File names and the formats that they are read and written as."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans import dicom
from medroi.scans.formats import (
    arrays,
    foreign,
    meta,
    mgz,
    minc,
    nifti,
    nrrd,
    pair,
    png,
    stack,
    tiff,
)
from medroi.scans.formats.files import readable
from medroi.scans.formats.nifti_header import as_nifti
from medroi.scans.scaling import is_linear, rescaled
from medroi.scans.scan import Scan
from medroi.scans.sources.chunks import with_notes, without_kept
from medroi.scans.sources.containers import Written, container_of, write_blocks
from medroi.scans.sources.pieces import all_of, contents, contents_of_pieces
from medroi.scans.sources.source import SourceFile
from medroi.working_memory import WorkingMemory, memory_of

_MODULES = (nifti, pair, mgz, nrrd, meta, minc, png, tiff)
READERS: dict[str, Callable[[Path, WorkingMemory], Scan]] = {
    suffix: module.read for module in _MODULES for suffix in module.SUFFIXES
}
# Kind of a scan -> the suffixes under which a file of its own kind is written.
_OWN_SUFFIXES: dict[str, tuple[str, ...]] = {
    "nifti": nifti.SUFFIXES,
    "pair": pair.SUFFIXES,
    "analyze": pair.SUFFIXES,
    "mgz": mgz.SUFFIXES,
    "nrrd": nrrd.SUFFIXES,
    "meta": meta.SUFFIXES,
    "minc": minc.SUFFIXES,
    "pictures": (*png.SUFFIXES, *tiff.SUFFIXES),
}
_NAMES = {
    "nifti": "a NIfTI file",
    "pair": "a NIfTI pair",
    "analyze": "an Analyze pair",
    "mgz": "a FreeSurfer volume",
    "nrrd": "an NRRD file",
    "meta": "a MetaImage",
    "minc": "a MINC file",
    "pictures": "pictures",
    "dicom": "DICOM",
    "array": "no scan file",
}


def suffix_of(path: Path, known: Iterable[str]) -> str | None:
    """Return the longest known suffix that the name ends with."""
    name = path.name.lower()
    matches = [suffix for suffix in known if name.endswith(suffix)]
    return max(matches, key=len, default=None)


def stem_of(path: Path) -> str:
    """Return the name of a scan file without its suffix; that of a folder as it is."""
    suffix = suffix_of(path, READERS)
    return path.name if suffix is None else path.name[: -len(suffix)]


def kind_of(path: Path) -> str:
    """Say what `read_scan` takes a path for, before anything is read of it.

    Returns
    -------
    str
        ``"array"``, ``"pictures"``, ``"dicom"``, a suffix in `READERS`, or nothing: it is none.
    """
    suffix = suffix_of(path, READERS)
    if suffix is None and arrays.is_array(path):
        return "array"
    if path.is_dir():
        return "pictures" if stack.pictures_in(path) else "dicom"
    if suffix is None and path.is_file() and dicom.is_dicom(path):
        return "dicom"
    return suffix or ""


def read_scan(
    path: str | Path,
    *,
    series: str | dicom.Chosen | None = None,
    identifiers: bool = True,
    incomplete: bool = False,
    encapsulated: str = "keep",
    sidecars: bool = True,
    memory: str | int | WorkingMemory | None = None,
) -> Scan:
    """Read a scan file of any suffix in `READERS`, a folder of pictures, or DICOM.

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
        Keep compressed pixels of DICOM, MINC 2 and TIFF that cannot be made again beside the
        voxels, or do without the files.
    sidecars : bool
        Of a folder with DICOM, keep the files that hold no images.
    memory : str or int, optional
        For the voxels, ``"2GiB"`` or bytes; None is that of the machine. Voxels that take more than
        an eighth of it are a map of their file, or of a scratch file in the folder that TMPDIR
        names.

    Raises
    ------
    InvalidArgument
        For files that are damaged or of another kind; the message says what was found.
    InnerUnavailable
        Where nibabel, pydicom or a decoder of compressed DICOM is not installed.
    """
    path, working = Path(path), memory_of(memory)
    kind = kind_of(path)
    if kind == "array":
        with readable(path, "a damaged array"):
            return arrays.read(path, working)
    if not path.exists():
        raise InvalidArgument(f"{path} does not exist")
    if not path.is_dir() and not path.is_file():
        raise InvalidArgument(f"{path}: neither a file nor a folder")
    if kind == "pictures":
        with readable(path, "a damaged picture"):
            return stack.read(path, working)
    if kind == "dicom":
        return dicom.read(
            path,
            series=series,
            identifiers=identifiers,
            incomplete=incomplete,
            encapsulated=encapsulated,
            sidecars=sidecars,
            memory=working,
        )
    if not kind:
        raise InvalidArgument(
            foreign.advice_for(path)
            or f"{path}: expected {', '.join(READERS)} or a folder with one DICOM series"
        )
    dicom.check_encapsulated(encapsulated)
    with readable(path, "a damaged scan"):
        scan = READERS[kind](path, working)
        return with_notes(scan) if encapsulated == "keep" else without_kept(scan)


def check_target(scan: Scan | None, path: Path) -> str:
    """Return the suffix under which a scan is written, or say which are possible.

    A scan of more than one file has names of its own for them: it is written into a folder, or as
    one NIfTI file.
    """
    kind = "array" if scan is None else scan.kind
    images = [] if scan is None else [file for file in scan.sources if file.role == "image"]
    own = _OWN_SUFFIXES.get(kind, ()) if len(images) < 2 else ()
    possible = tuple(dict.fromkeys((*own, *nifti.SUFFIXES)))
    suffix = suffix_of(path, possible)
    if suffix is None:
        files = f" ({len(images)} files: name a folder, {path.parent}/)" if len(images) > 1 else ""
        raise InvalidArgument(
            f"{path}: the scan of {_NAMES[kind]}{files} is written as {' or '.join(possible)}"
        )
    return suffix


def own_suffix(scan: Scan | None, file: SourceFile) -> str:
    """Return the suffix of a source file, among those of its kind of scan."""
    own = _OWN_SUFFIXES.get("array" if scan is None else scan.kind, ())
    return suffix_of(Path(file.name), own) or Path(file.name).suffix.lower()


def contents_of(scan: Scan, path: Path, suffix: str) -> Iterator[Any]:
    """Give what the file of a scan holds uncompressed, block by block.

    What was no NIfTI becomes it where the suffix says so: the stored numbers with slope and
    intercept in the header, or floats where slope and intercept vary from slice to slice (float32
    if exact, else float64), or the values of a table.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    path : Path
        What errors name.
    suffix : str
        As `check_target` gives it.
    """
    if suffix in nifti.SUFFIXES:
        if not is_linear(scan):
            scan = dataclasses.replace(scan, voxels=rescaled(scan), slope=1.0, intercept=0.0)
        if scan.kind != "nifti":
            scan = as_nifti(scan)
        yield from nifti.contents(scan, path)
    elif scan.kind == "mgz":
        yield from mgz.contents(scan, path)
    elif scan.kind in ("minc", "pictures") and not _is_made_of_pieces(scan, suffix):
        raise InvalidArgument(
            f"{path}: nothing here writes such a file for these voxels; name it .nii or .nii.gz"
        )
    elif len(scan.sources) == 1:
        yield from contents(scan, scan.sources[0])
    else:
        yield from contents_of_pieces(scan, all_of(scan))


def _is_made_of_pieces(scan: Scan, suffix: str) -> bool:
    """Whether a file of this suffix was packed, and not compressed within itself."""
    return bool(scan.header) and all(
        file.name.lower().endswith(suffix) for file in scan.sources if file.role == "image"
    )


def write_scan(
    scan: Scan,
    path: Path,
    suffix: str,
    file: SourceFile | None = None,
    *,
    container: dict[str, Any] | None = None,
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
    file : SourceFile, optional
        One of the scan's, to write its very bytes.
    container : dict, optional
        As in `SourceFile`; by default that of `file`, or what the suffix says, gzip without name
        and time, so that equal scans give equal bytes.
    """
    if container is None:
        is_known = file is not None and file.container["kind"] != "other"
        container = file.container if file is not None and is_known else container_of(suffix)
    if container["kind"] == "zlib" and not container.get("is_exact", True):
        raise InvalidArgument(
            f"{path.name if file is None else file.name}: its header gives the size of its "
            "compressed data, which no compressor here makes again; unpack it to .nii or .nii.gz"
        )
    if file is not None and file.pieces:
        return write_blocks(path, contents(scan, file), container)
    return write_blocks(path, contents_of(scan, path, suffix), container)
