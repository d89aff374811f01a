"""Which files of a folder make one DICOM series, in which order, and where they lie in space."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.scan import require

# Slices may leave the straight, evenly spaced line by this share of the spacing. Positions are
# decimal strings, which some scanners round to 0.01 mm.
_TOLERANCE = 0.02
_TOLERANCE_MM = 0.011

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
    notes = [f"{n_skipped} files that hold no DICOM image were passed over"] if n_skipped else []
    if len(datasets) == 1 and "ImagePositionPatient" not in datasets[0][1]:
        notes.append("the image has no position or orientation; its affine holds the spacing only")
        affine = _flat_affine(datasets[0][1])
    else:
        datasets, affine = _sorted_in_space(datasets)
    return Series(
        paths=tuple(path for path, _ in datasets),
        datasets=tuple(dataset for _, dataset in datasets),
        affine=affine,
        notes=tuple(notes),
    )


def _image_datasets(folder: Path) -> tuple[list[tuple[Path, Any]], int]:
    pydicom = require("pydicom", "reading DICOM")
    found, n_skipped = [], 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
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


def _check_one_series(folder: Path, datasets: list[tuple[Path, Any]]) -> None:
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
    if int(dataset.get("NumberOfFrames") or 1) > 1 or "PerFrameFunctionalGroupsSequence" in dataset:
        raise InvalidArgument(
            f"{path}: a multi-frame (enhanced) image; convert it to NIfTI (dcm2niix) and pack that"
        )
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
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


def _check_same(datasets: list[tuple[Path, Any]]) -> None:
    first_path, first = datasets[0]
    for keyword in _SAME_IN_ALL:
        for path, dataset in datasets:
            if dataset.get(keyword) != first.get(keyword):
                raise InvalidArgument(
                    f"{path}: {keyword} is {dataset.get(keyword)}, in {first_path.name} it is "
                    f"{first.get(keyword)}; the images of a volume must agree"
                )


def _numbers(path: Path, dataset: Any, keyword: str, count: int) -> npt.NDArray[np.float64]:
    value = dataset.get(keyword)
    try:
        numbers = np.asarray([float(item) for item in value], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InvalidArgument(f"{path}: {keyword} is {value!r}; expected {count} numbers")
    return numbers


def _sorted_in_space(
    datasets: list[tuple[Path, Any]],
) -> tuple[list[tuple[Path, Any]], npt.NDArray[np.float64]]:
    """Sort by position along the normal and build the affine, or name what does not fit."""
    first_path, first = datasets[0]
    cosines = _numbers(first_path, first, "ImageOrientationPatient", 6)
    spacing_mm = _numbers(first_path, first, "PixelSpacing", 2)
    for path, dataset in datasets:
        for keyword, wanted, tolerance in (
            ("ImageOrientationPatient", cosines, 1e-3),
            ("PixelSpacing", spacing_mm, 1e-4 * float(spacing_mm.max())),
        ):
            here = _numbers(path, dataset, keyword, len(wanted))
            if np.abs(here - wanted).max() > tolerance:
                raise InvalidArgument(
                    f"{path}: {keyword} is {here.tolist()}, in {first_path.name} it is "
                    f"{wanted.tolist()}; the images of a volume must agree (is a localizer among "
                    "them?)"
                )
    along_row, along_column = cosines[:3], cosines[3:]
    normal = np.cross(along_row, along_column)
    if abs(np.linalg.norm(normal) - 1) > 1e-2 or spacing_mm.min() <= 0:
        raise InvalidArgument(
            f"{first_path}: ImageOrientationPatient {cosines.tolist()} with PixelSpacing "
            f"{spacing_mm.tolist()} is no right-angled grid"
        )
    corners = np.array([_numbers(p, d, "ImagePositionPatient", 3) for p, d in datasets])
    order = np.argsort(corners @ normal, kind="stable")
    datasets, corners = [datasets[index] for index in order], corners[order]
    step = _slice_step(datasets, corners, normal)

    lps = np.eye(4)
    # PixelSpacing is (between rows, between columns); the first array axis runs along a row.
    lps[:3, 0] = along_row * spacing_mm[1]
    lps[:3, 1] = along_column * spacing_mm[0]
    lps[:3, 2] = step
    lps[:3, 3] = corners[0]
    # DICOM's axes point to the left, posterior and superior; NIfTI's to the right and anterior.
    return datasets, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _slice_step(
    datasets: list[tuple[Path, Any]],
    corners: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Vector from one slice to the next. A tilted gantry's is not parallel to the normal."""
    if len(datasets) == 1:
        dataset = datasets[0][1]
        spacing = dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness") or 1.0
        return normal * abs(float(spacing) or 1.0)
    heights = corners @ normal
    gaps = np.diff(heights)
    # Of many files for one position, time points or echoes are the usual reason.
    repeated = np.flatnonzero(gaps < 1e-4 * max(float(gaps.max()), 1e-3))
    if len(repeated):
        index = int(repeated[0])
        raise InvalidArgument(
            f"{datasets[index][0].name} and {datasets[index + 1][0].name} lie at the same position "
            f"({heights[index]:.3f} mm along the normal; {len(repeated)} such pairs): time points, "
            "echoes or copies; pack one volume at a time"
        )
    usual = float(np.median(gaps))
    tolerance = _TOLERANCE * usual + _TOLERANCE_MM
    uneven = np.flatnonzero(np.abs(gaps - usual) > tolerance)
    if len(uneven):
        index = int(uneven[np.argmax(np.abs(gaps[uneven] - usual))])
        n_missing = round(float(gaps[index]) / usual) - 1
        is_multiple = abs(gaps[index] - (n_missing + 1) * usual) <= (n_missing + 1) * tolerance
        what = (
            f"{n_missing} slice{'s' if n_missing > 1 else ''} missing"
            if n_missing >= 1 and is_multiple
            else "uneven slice spacing"
        )
        raise InvalidArgument(
            f"{what} between {datasets[index][0].name} (at {heights[index]:.3f} mm) and "
            f"{datasets[index + 1][0].name} (at {heights[index + 1]:.3f} mm): {gaps[index]:.3f} mm "
            f"apart where the others are {usual:.3f} mm"
        )
    step = (corners[-1] - corners[0]) / (len(corners) - 1)
    straight = corners[0] + np.arange(len(corners))[:, None] * step
    off = np.linalg.norm(corners - straight, axis=1)
    if off.max() > tolerance:
        raise InvalidArgument(
            f"{datasets[int(off.argmax())][0].name} lies {off.max():.3f} mm beside the line of the "
            "other slices; a volume needs slices on one straight line"
        )
    return np.asarray(step, dtype=np.float64)


def _flat_affine(dataset: Any) -> npt.NDArray[np.float64]:
    spacing = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or [1.0, 1.0]
    return np.diag([-float(spacing[1]), -float(spacing[0]), 1.0, 1.0])
