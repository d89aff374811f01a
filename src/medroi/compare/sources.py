"""Scans in the paths of a command line, and the paths that hold none."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from medroi.compare.results import Failure
from medroi.errors import MedROIError
from medroi.scans.formats.names import printable
from medroi.scans.scan import require

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh")
IMAGE_SUFFIXES = (".png", ".tif", ".tiff")
_DICOM_MAGIC_OFFSET = 128


@dataclasses.dataclass(frozen=True)
class Source:
    """Where one scan is.

    Attributes
    ----------
    data_set, scan : str
        As in `ResultRow`.
    kind : {"volume", "image", "dicom"}
        How it is read.
    paths : tuple of str
        One file, or the files of one DICOM series.
    """

    data_set: str
    scan: str
    kind: str
    paths: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the files."""
        return sum(Path(path).stat().st_size for path in self.paths)


def fingerprint_of(paths: Iterable[str]) -> list[list[str | int]]:
    """Name, size and time of files, which change with them; a file that is not there has none."""
    found: list[list[str | int]] = []
    for path in map(Path, paths):
        if path.exists():
            stat = path.stat()
            found.append([path.name, stat.st_size, stat.st_mtime_ns])
    return found


def find_sources(paths: Iterable[str | Path]) -> tuple[list[Source], list[Failure]]:
    """The scans of files and folders, in the order given, files of a folder by name.

    Parameters
    ----------
    paths : iterable of path
        Files, or folders that are searched through with their subfolders.

    Returns
    -------
    list of Source, list of Failure
        A file that is no scan, or a path that is not there, is a failure.
    """
    sources: list[Source] = []
    failures: list[Failure] = []
    for path in map(Path, paths):
        if not path.exists():
            failures.append(Failure(printable(path.name), "does not exist"))
            continue
        files = sorted(_files_of(path)) if path.is_dir() else [path]
        if not files:
            failures.append(Failure(printable(path.name), "an empty folder"))
        _sort_out(files, path, sources, failures)
    return _told_apart(_once(sources)), failures


def _files_of(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _sort_out(
    files: list[Path], root: Path, sources: list[Source], failures: list[Failure]
) -> None:
    dicoms: list[Path] = []
    for file in files:
        name = file.name.lower()
        if name.endswith(VOLUME_SUFFIXES):
            sources.append(_one(file, "volume"))
        elif name.endswith(IMAGE_SUFFIXES):
            sources.append(_one(file, "image"))
        elif _is_dicom(file):
            dicoms.append(file)
        else:
            known = ", ".join(VOLUME_SUFFIXES + IMAGE_SUFFIXES)
            failures.append(Failure(_shown(file, root), f"neither {known} nor DICOM"))
    if not dicoms:
        return
    try:
        sources.extend(_series_of(dicoms, root, failures))
    except MedROIError as error:
        failures.append(Failure(printable(root.name), printable(str(error))))


def _one(file: Path, kind: str) -> Source:
    stem = file.name
    for suffix in sorted(VOLUME_SUFFIXES + IMAGE_SUFFIXES + (".dcm",), key=len, reverse=True):
        if stem.lower().endswith(suffix):
            stem = stem[: -len(suffix)]
            break
    folder = printable(file.resolve().parent.name)
    return Source(folder, printable(stem), kind, (str(file.resolve()),))


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(_DICOM_MAGIC_OFFSET + 4)[_DICOM_MAGIC_OFFSET:] == b"DICM"


def _series_of(files: list[Path], root: Path, failures: list[Failure]) -> Iterator[Source]:
    """One source for each series; a series of one image is named for its file."""
    pydicom = require("pydicom", "reading DICOM")
    series: dict[str, list[Path]] = collections.defaultdict(list)
    for file in files:
        try:
            dataset = pydicom.dcmread(file, stop_before_pixels=True)
        except Exception as error:  # pydicom raises whatever a damaged file provokes
            failures.append(Failure(_shown(file, root), f"damaged DICOM file: {error}"))
            continue
        series[str(dataset.get("SeriesInstanceUID", file))].append(file)
    for members in series.values():
        first = members[0].resolve()
        if len(members) == 1:
            yield dataclasses.replace(_one(first, "dicom"))
        else:
            folder = first.parent
            paths = tuple(str(member.resolve()) for member in members)
            yield Source(printable(folder.parent.name), printable(folder.name), "dicom", paths)


def _shown(file: Path, root: Path) -> str:
    """A path as a report may show it: without what lies above what was given."""
    return printable(file.name if file == root else str(Path(root.name) / file.relative_to(root)))


def _once(sources: list[Source]) -> list[Source]:
    return list({source.paths: source for source in sources}.values())


def _told_apart(sources: list[Source]) -> list[Source]:
    """Sources with names of their own: the second of one name is numbered."""
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    named = []
    for source in sources:
        key = (source.data_set, source.scan)
        seen[key] += 1
        number = f" ({seen[key]})" if seen[key] > 1 else ""
        named.append(dataclasses.replace(source, scan=source.scan + number))
    return named
