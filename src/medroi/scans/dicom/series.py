"""Files of a folder that make one DICOM series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.files import Images, find_images, listed
from medroi.scans.dicom.geometry import flat_affine, number, sorted_in_space
from medroi.scans.dicom.mosaic import check_no_mosaic
from medroi.scans.dicom.numbering import missing_at_ends

_SAME_IN_ALL = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "Modality",
    "FrameOfReferenceUID",
    "RescaleType",
    "Units",
)
# These may differ, but a slice without them among slices with them has lost its own.
_IN_ALL_OR_NONE = ("RescaleSlope", "RescaleIntercept", "DoseGridScaling")


@dataclass(frozen=True)
class Series:
    """The data sets of one series, sorted along the slice normal, without their pixels."""

    paths: tuple[Path, ...]
    datasets: tuple[Any, ...]
    affine: npt.NDArray[np.float64]
    notes: tuple[str, ...]


def find_series(folder: Path, *, incomplete: bool = False) -> Series:
    """Find the one image series of a folder and its subfolders.

    Parameters
    ----------
    folder : Path
        Holds the files.
    incomplete : bool
        Take a series of which slices are missing at the ends, with a note.

    Raises
    ------
    InvalidArgument
        Where a file cannot be read, images do not fit together, or slices are missing.
    """
    found = find_images(folder)
    datasets, notes = found.images, []
    if found.passed_over:
        names = listed(list(found.passed_over))
        notes.append(
            f"files passed over that hold no DICOM image: {len(found.passed_over)} ({names})"
        )
    _check_one_series(folder, datasets)
    check_no_mosaic(datasets)
    for path, dataset in datasets:
        _check_supported(path, dataset)
    _check_same(datasets)
    if len(datasets) == 1 and "ImagePositionPatient" not in datasets[0][1]:
        affine, note = flat_affine(*datasets[0])
        notes.append(note)
    else:
        datasets, affine, more = sorted_in_space(datasets)
        notes += more
    missing, note = missing_at_ends(tuple(dataset for _, dataset in datasets))
    if missing and not incomplete:
        raise InvalidArgument(
            f"{folder}: slices are missing at the ends of the series: {missing}; get them, or pack "
            "what is there with --incomplete (incomplete=True)"
        )
    missing = f"slices are missing at the ends of the series: {missing}" if missing else ""
    return Series(
        paths=tuple(path for path, _ in datasets),
        datasets=tuple(dataset for _, dataset in datasets),
        affine=affine,
        notes=(*notes, *(text for text in (missing, note) if text)),
    )


def _check_one_series(folder: Path, datasets: Images) -> None:
    series: dict[str, list[Any]] = {}
    for _, dataset in datasets:
        series.setdefault(str(dataset.get("SeriesInstanceUID", "")), []).append(dataset)
    if len(series) == 1:
        return
    lines = []
    for uid, members in sorted(series.items(), key=lambda item: -len(item[1])):
        first = members[0]
        lines.append(
            f"{len(members)} images of series {first.get('SeriesNumber', '?')} "
            f"({first.get('Modality', '?')}, {uid or 'no UID'})"
        )
    raise InvalidArgument(
        f"{folder}: holds {len(series)} series, expected one: {'; '.join(lines)}; put each series "
        "into a folder of its own"
    )


def _check_supported(path: Path, dataset: Any) -> None:
    for keyword in ("Rows", "Columns"):
        if number(path, dataset, keyword, 0) < 1:
            raise InvalidArgument(f"{path}: {keyword} is {dataset.get(keyword)}; sizes start at 1")
    if (
        number(path, dataset, "NumberOfFrames", 1) > 1
        or "PerFrameFunctionalGroupsSequence" in dataset
    ):
        raise InvalidArgument(
            f"{path}: a multi-frame (enhanced) image; convert it to NIfTI (dcm2niix) and pack that"
        )
    if number(path, dataset, "SamplesPerPixel", 1) != 1:
        raise InvalidArgument(
            f"{path}: {dataset.get('PhotometricInterpretation', 'colour')} pixels with "
            f"{dataset.SamplesPerPixel} samples; expected one number per voxel"
        )
    meaning = dataset.get("PhotometricInterpretation", "MONOCHROME2")
    if meaning not in ("MONOCHROME1", "MONOCHROME2"):
        raise InvalidArgument(
            f"{path}: photometric interpretation {meaning}; expected MONOCHROME1 or MONOCHROME2"
        )
    if "ModalityLUTSequence" in dataset:
        raise InvalidArgument(
            f"{path}: a modality lookup table, which neither slope and intercept nor NIfTI can hold"
        )


def _check_same(datasets: Images) -> None:
    first_path, first = datasets[0]
    for keyword in _SAME_IN_ALL:
        for path, dataset in datasets:
            if dataset.get(keyword) != first.get(keyword):
                raise InvalidArgument(
                    f"{path}: {keyword} is {dataset.get(keyword)}, in {first_path.name} it is "
                    f"{first.get(keyword)}; the images of a volume must agree: move "
                    "those of others out of the folder"
                )
    for keyword in _IN_ALL_OR_NONE:
        having = [path for path, dataset in datasets if dataset.get(keyword) not in (None, "")]
        lacking = [path for path, _ in datasets if path not in set(having)]
        if having and lacking:
            raise InvalidArgument(
                f"{lacking[0]}: no {keyword}, which {len(having)} of the {len(datasets)} images "
                f"have ({having[0].name}); its values would mean something else than theirs"
            )
