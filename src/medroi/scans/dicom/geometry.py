"""Where the images of a DICOM series lie in space: their order and the affine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.files import Images

# Slices may leave the straight, evenly spaced line by this share of the spacing. Positions are
# decimal strings, which some scanners round to 0.01 mm.
_TOLERANCE = 0.02
_TOLERANCE_MM = 0.011


def number(path: Path, dataset: Any, keyword: str, default: float) -> float:
    """Read one finite number; an empty element says as little as an absent one."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return default
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.nan
    if not np.isfinite(found):
        raise InvalidArgument(f"{path}: {keyword} is {value!r}; expected a number")
    return found


def _numbers(path: Path, dataset: Any, keyword: str, count: int) -> npt.NDArray[np.float64]:
    value = dataset.get(keyword)
    try:
        numbers = np.asarray([float(item) for item in value], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InvalidArgument(f"{path}: {keyword} is {value!r}; expected {count} numbers")
    return numbers


def sorted_in_space(
    datasets: Images,
) -> tuple[Images, npt.NDArray[np.float64], list[str]]:
    """Sort by position along the normal and build the affine, or name what does not fit.

    The third value is what a user should know of it.
    """
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
    step, notes = _slice_step(datasets, corners, normal)

    lps = np.eye(4)
    # PixelSpacing is (between rows, between columns); the first array axis runs along a row.
    lps[:3, 0] = along_row * spacing_mm[1]
    lps[:3, 1] = along_column * spacing_mm[0]
    lps[:3, 2] = step
    lps[:3, 3] = corners[0]
    # DICOM's axes point to the left, posterior and superior; NIfTI's to the right and anterior.
    return datasets, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, notes


def _slice_step(
    datasets: Images,
    corners: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Vector from one slice to the next. A tilted gantry's is not parallel to the normal."""
    if len(datasets) == 1:
        path, dataset = datasets[0]
        thickness = number(path, dataset, "SliceThickness", 0.0)
        step_mm = abs(number(path, dataset, "SpacingBetweenSlices", thickness))
        note = "the image has no slice thickness; 1 mm is stored, which may be wrong"
        return normal * (step_mm or 1.0), [] if step_mm else [note]
    heights = corners @ normal
    gaps = np.diff(heights)
    # Of many files for one position, time points or echoes are the usual reason.
    repeated = np.flatnonzero(gaps < 1e-4 * max(float(gaps.max()), 1e-3))
    if len(repeated):
        index = int(repeated[0])
        raise InvalidArgument(
            f"{datasets[index][0].name} and {datasets[index + 1][0].name} lie at the same position "
            f"({heights[index]:.3f} mm along the normal; {len(repeated)} such pairs): time points, "
            "echoes or copies; put one volume into a folder of its own and pack that"
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
            f"apart where the others are {usual:.3f} mm; get the missing files, or move what does "
            "not belong to the volume out of the folder"
        )
    step = (corners[-1] - corners[0]) / (len(corners) - 1)
    straight = corners[0] + np.arange(len(corners))[:, None] * step
    off = np.linalg.norm(corners - straight, axis=1)
    if off.max() > tolerance:
        raise InvalidArgument(
            f"{datasets[int(off.argmax())][0].name} lies {off.max():.3f} mm beside the line of the "
            "other slices; a volume needs slices on one straight line"
        )
    return np.asarray(step, dtype=np.float64), []


def flat_affine(path: Path, dataset: Any) -> tuple[npt.NDArray[np.float64], str]:
    """Make the affine of one image without a position, from its pixel spacing alone.

    The second value is what a user should know of it.
    """
    keywords = [name for name in ("PixelSpacing", "ImagerPixelSpacing") if dataset.get(name)]
    if keywords:
        spacing_mm = _numbers(path, dataset, keywords[0], 2)
        note = "its affine holds the pixel spacing and a slice of 1 mm only"
    else:
        spacing_mm = np.ones(2)
        note = "nor a pixel spacing; 1 mm is stored for all axes, which may be wrong"
    affine = np.diag([-spacing_mm[1], -spacing_mm[0], 1.0, 1.0])
    return affine, f"the image has no position or orientation; {note}"
