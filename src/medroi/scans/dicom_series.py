"""Which files of a folder make one DICOM series."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom_geometry import Images, flat_affine, number, sorted_in_space
from medroi.scans.scan import require

_SAME_IN_ALL = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
)


@dataclass(frozen=True)
class Series:
    """The data sets of one series, sorted along the slice normal, without their pixels."""

    paths: tuple[Path, ...]
    datasets: tuple[Any, ...]
    affine: npt.NDArray[np.float64]
    notes: tuple[str, ...]


def find_series(folder: Path) -> Series:
    """Find the one image series of a folder and its subfolders."""
    datasets, n_skipped = _image_datasets(folder)
    _check_one_series(folder, datasets)
    for path, dataset in datasets:
        _check_supported(path, dataset)
    _check_same(datasets)
    notes = [f"files passed over that hold no DICOM image: {n_skipped}"] if n_skipped else []
    if len(datasets) == 1 and "ImagePositionPatient" not in datasets[0][1]:
        notes.append("the image has no position or orientation; its affine holds the spacing only")
        affine = flat_affine(*datasets[0])
    else:
        datasets, affine = sorted_in_space(datasets)
    return Series(
        paths=tuple(path for path, _ in datasets),
        datasets=tuple(dataset for _, dataset in datasets),
        affine=affine,
        notes=tuple(notes),
    )


def _image_datasets(folder: Path) -> tuple[Images, int]:
    pydicom = require("pydicom", "reading DICOM")
    found, n_skipped = [], 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
        except pydicom.errors.InvalidDicomError:
            n_skipped += 1
            continue
        except (EOFError, ValueError, AttributeError, NotImplementedError, KeyError) as error:
            raise InvalidArgument(f"{path}: damaged DICOM file: {error}") from error
        if "Rows" in dataset and "Columns" in dataset:
            found.append((path, dataset))
        else:
            n_skipped += 1
    if not found:
        raise InvalidArgument(f"{folder}: no DICOM images among its {n_skipped} files")
    return found, n_skipped


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
                    f"{first.get(keyword)}; the images of a volume must agree"
                )
