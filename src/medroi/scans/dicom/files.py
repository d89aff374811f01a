"""Files of a folder that are DICOM images, that may be passed over, that cannot be read.

A file that cannot be read may be a slice: it is never taken for one that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.dicom.bytes import NotDicom, read_dataset

Images = list[tuple[Path, Any]]

# What lies beside series and holds no slice, by the beginning or the end of its name.
_OTHER_NAMES = (
    "._",
    ".directory",
    ".ds_store",
    ".git",
    "desktop.ini",
    "dicomdir",
    "licence",
    "license",
    "readme",
    "thumbs.db",
)
_OTHER_FOLDERS = (".datalad", ".git", "__macosx")
_OTHER_SUFFIXES = (
    ".bval",
    ".bvec",
    ".csv",
    ".json",
    ".log",
    ".md",
    ".nii",
    ".tsv",
    ".txt",
    ".xml",
)
# What is asked of every image, read at once so that a damaged value is found here and named.
_NEEDED = (
    "BitsAllocated",
    "BitsStored",
    "Columns",
    "DetectorInformationSequence",
    "DoseGridScaling",
    "FrameOfReferenceUID",
    "HighBit",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "ImageType",
    "ImagerPixelSpacing",
    "ImagesInAcquisition",
    "InstanceNumber",
    "Modality",
    "ModalityLUTSequence",
    "NumberOfFrames",
    "NumberOfSeriesRelatedInstances",
    "NumberOfSlices",
    "NumberOfTemporalPositions",
    "PerFrameFunctionalGroupsSequence",
    "PhotometricInterpretation",
    "PixelRepresentation",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "Rows",
    "SOPClassUID",
    "SOPInstanceUID",
    "SamplesPerPixel",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SharedFunctionalGroupsSequence",
    "SliceThickness",
    "SpacingBetweenSlices",
    "Units",
)
_N_NAMED = 4


@dataclass(frozen=True)
class Found:
    """The images of a folder, and the files that hold none.

    Attributes
    ----------
    folder : Path
        To which names are relative.
    images : list of (Path, Dataset)
    passed_over : tuple of Path
    """

    folder: Path
    images: Images
    passed_over: tuple[Path, ...]


def find_images(source: Path) -> Found:
    """Read every file of a folder and its subfolders, without pixels; one file; or a DICOMDIR's.

    Raises
    ------
    InvalidArgument
        Where a file cannot be read, or none holds an image.
    """
    if source.is_dir():
        return _sorted_out(source, source, _files_of(source))
    if is_directory_file(source):
        return _sorted_out(source, source.parent, files_of_directory(source))
    dataset = _image(source)
    if dataset is None:
        raise InvalidArgument(f"{source}: a DICOM object that is no image; nothing to pack")
    return Found(source.parent, [(source, dataset)], ())


def _sorted_out(source: Path, folder: Path, paths: Iterable[Path]) -> Found:
    images: Images = []
    passed_over: list[Path] = []
    unreadable: list[tuple[str, str]] = []
    for path in paths:
        name = str(path.relative_to(folder))
        try:
            dataset = _image(path)
        except (InvalidArgument, OSError) as error:
            # What says that it is DICOM is never passed over for its name, but for a directory.
            if _is_other(path) and (isinstance(error, NotDicom) or is_directory_file(path)):
                passed_over.append(path)
            else:
                unreadable.append((name, _reason(error, path)))
            continue
        if dataset is None:
            passed_over.append(path)
        else:
            images.append((path, dataset))
    n_files = len(images) + len(passed_over) + len(unreadable)
    if not images:
        named = f" ({listed([f'{n}: {why}' for n, why in unreadable])})" if unreadable else ""
        raise InvalidArgument(f"{source}: no DICOM images among its {n_files} files{named}")
    if unreadable:
        raise InvalidArgument(
            f"{source}: {len(unreadable)} of {n_files} files cannot be read, and may be slices: "
            f"{listed([f'{n} ({why})' for n, why in unreadable])}; get them again, or move what "
            "does not belong to the series out of the folder"
        )
    return Found(folder, images, tuple(passed_over))


def listed(items: list[str]) -> str:
    """The first few of a list, and how many more there are."""
    more = len(items) - _N_NAMED
    return ", ".join(items[:_N_NAMED]) + (f" and {more} more" if more > 0 else "")


def _files_of(folder: Path) -> Iterator[Path]:
    """Every file below a folder by name, also behind links to folders, each folder once."""
    seen: set[tuple[int, int]] = set()

    def stop(error: OSError) -> None:
        raise InvalidArgument(f"{error.filename}: this folder cannot be read: {error.strerror}")

    found = []
    for root, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if name.lower() not in _OTHER_FOLDERS]
        found += [Path(root, name) for name in names]
    yield from sorted(found)


def _image(path: Path) -> Any:
    """The data set of an image; None for a whole DICOM file that is none."""
    if not path.is_file():
        if path.is_symlink() and not path.exists():
            raise InvalidArgument(f"{path}: a link to a file that is not there")
        raise NotDicom(f"{path}: no ordinary file")
    dataset = read_dataset(path)
    for keyword in _NEEDED:
        try:
            dataset.get(keyword)
        except Exception as error:  # pydicom raises whatever a damaged value provokes
            raise InvalidArgument(f"{path}: {keyword} is damaged: {str(error)[:80]}") from error
    if "Rows" in dataset and "Columns" in dataset:
        return dataset
    if says_image(dataset):
        raise InvalidArgument(f"{path}: an image cut off within its header")
    return None


def says_image(dataset: Any) -> bool:
    """Whether a data set without a size is that of an image, or too short to say what it is."""
    from pydicom.uid import UID

    kind = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
    return not kind or UID(str(kind)).name.endswith("Image Storage")


def _is_other(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.startswith(_OTHER_NAMES) or name.endswith(_OTHER_SUFFIXES)


def is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR, by its name, which the standard gives it."""
    return path.name.lower().startswith("dicomdir")


def files_of_directory(path: Path) -> Iterator[Path]:
    """The files that a DICOMDIR lists, and itself.

    Raises
    ------
    InvalidArgument
        Where one of them is not there, or lies elsewhere than below the DICOMDIR's folder.
    """
    dataset = read_dataset(path)
    yield path
    names = []
    for record in dataset.get("DirectoryRecordSequence") or ():
        parts = record.get("ReferencedFileID")
        if parts:
            names.append([parts] if isinstance(parts, str) else [str(part) for part in parts])
    if not names:
        raise InvalidArgument(f"{path}: a DICOMDIR that lists no files")
    for parts in sorted(names):
        found = _listed_file(path, parts)
        if found is None:
            raise InvalidArgument(
                f"{path}: lists {'/'.join(parts)}, which is not there; get it, or pack the folder "
                "instead of its DICOMDIR"
            )
        yield found


def _listed_file(directory: Path, parts: list[str]) -> Path | None:
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise InvalidArgument(f"{directory}: lists {parts}, which is no name of a file below it")
    # Some systems show the names of a disc in small letters.
    for change in (str, str.lower, str.upper):
        found = directory.parent.joinpath(*map(change, parts))
        if found.is_file():
            return found
    return None


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return str(error).removeprefix(f"{path}: ")
