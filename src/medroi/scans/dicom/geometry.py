"""Where slices lie in space: their places along the normal and the affine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import number, numbers
from medroi.scans.dicom.frames import Frame
from medroi.scans.scan import MAX_MM

# Slices may leave the straight, evenly spaced line by this share of the spacing. Positions are
# decimal strings, which some scanners round to 0.01 mm.
_TOLERANCE = 0.02
_TOLERANCE_MM = 0.011
# Closer than this share of the usual distance, two images lie at one place.
_SAME_PLACE = 1e-3
# DICOM's axes point to the left, posterior and superior; NIfTI's to the right and anterior.
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Places:
    """Places of slices along the normal of a volume.

    Attributes
    ----------
    order : list of list of int
        Indices of the frames at each place, places in the order of the normal.
    affine : ndarray
        4x4, (column, row, place) to mm, RAS+.
    heights_mm : list of float or None
        Of each place along the normal, where their distances are not even.
    notes : tuple of str
        What a user should know of it.
    """

    order: list[list[int]]
    affine: npt.NDArray[np.float64]
    heights_mm: list[float] | None
    notes: tuple[str, ...]


def places_of(frames: Sequence[Frame], *, incomplete: bool, sparse: bool) -> Places:
    """Sort frames by their place along the normal, or name what does not fit.

    Parameters
    ----------
    frames : sequence of Frame
        Of one volume; several may lie at one place.
    incomplete : bool
        Take a volume of which slices are missing in between, with a note.
    sparse : bool
        Empty slices were left out on purpose, as in segmentations: their places stay empty.
    """
    first = frames[0]
    cosines, spacing_mm = _grid(frames)
    normal = np.cross(cosines[:3], cosines[3:])
    corners = np.array([numbers(f.path, f, "ImagePositionPatient", 3) for f in frames])
    heights = corners @ normal
    order = _grouped(heights)
    at = np.array([members[0] for members in order])
    for members in order:
        off = np.linalg.norm(corners[members] - corners[members[0]], axis=1)
        if off.max() > _TOLERANCE_MM + 1e-3 * float(spacing_mm.max()):
            other = frames[members[int(off.argmax())]]
            raise InvalidArgument(
                f"{other.path}: lies {off.max():.3f} mm beside {frames[members[0]].label}, at the "
                "same height; the images of a volume must agree"
            )
    uneven: list[float] | None = None
    notes: list[str] = []
    if len(order) == 1:
        step, notes = _single_step(first, normal)
    elif sparse:
        order, step = _with_empty_places(frames, order, corners[at], normal)
    else:
        step, uneven, notes = _step(
            [frames[index] for index in at], corners[at], normal, incomplete=incomplete
        )
    lps = np.eye(4)
    # PixelSpacing is (between rows, between columns); the first array axis runs along a row.
    lps[:3, 0] = cosines[:3] * spacing_mm[1]
    lps[:3, 1] = cosines[3:] * spacing_mm[0]
    lps[:3, 2] = step
    lps[:3, 3] = corners[at[0]]
    return Places(order, _TO_RAS @ lps, uneven, tuple(notes))


def _grid(frames: Sequence[Frame]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Orientation and pixel spacing, on which all frames agree."""
    first = frames[0]
    cosines = numbers(first.path, first, "ImageOrientationPatient", 6)
    spacing_mm = _pixel_spacing(first)
    for frame in frames:
        for keyword, wanted, here, tolerance in (
            (
                "ImageOrientationPatient",
                cosines,
                numbers(frame.path, frame, "ImageOrientationPatient", 6),
                1e-3,
            ),
            (
                "PixelSpacing",
                spacing_mm,
                _pixel_spacing(frame),
                1e-4 * float(np.abs(spacing_mm).max()),
            ),
        ):
            if np.abs(here - wanted).max() > tolerance:
                raise InvalidArgument(
                    f"{frame.path}: {keyword} is {here.tolist()}, in {first.path.name} it is "
                    f"{wanted.tolist()}; the images of a volume must agree (is a localizer among "
                    "them?)"
                )
    normal = np.cross(cosines[:3], cosines[3:])
    if abs(np.linalg.norm(normal) - 1) > 1e-2 or spacing_mm.min() <= 0:
        raise InvalidArgument(
            f"{first.path}: ImageOrientationPatient {cosines.tolist()} with PixelSpacing "
            f"{spacing_mm.tolist()} is no right-angled grid"
        )
    return cosines, spacing_mm


def _pixel_spacing(frame: Frame) -> npt.NDArray[np.float64]:
    return numbers(frame.path, frame, "PixelSpacing", 2)


def _grouped(heights: npt.NDArray[np.float64]) -> list[list[int]]:
    """Indices of what lies at each height, by height; the order within is kept."""
    by_height = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[by_height])
    largest = float(gaps.max()) if len(gaps) else 0.0
    # One place far away does not bring all others together.
    apart = gaps > _SAME_PLACE * min(max(largest, 1e-2), 10.0)
    groups = np.split(by_height, np.flatnonzero(apart) + 1)
    return [sorted(int(index) for index in group) for group in groups]


def _single_step(
    frame: Frame, normal: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], list[str]]:
    thickness = number(frame.path, frame, "SliceThickness", 0.0)
    step_mm = abs(number(frame.path, frame, "SpacingBetweenSlices", thickness)) or abs(thickness)
    if step_mm >= MAX_MM:
        raise InvalidArgument(f"{frame.path}: a slice of {step_mm:g} mm; its header is damaged")
    note = "the image has no slice thickness; 1 mm is stored, which may be wrong"
    return normal * (step_mm or 1.0), [] if step_mm else [note]


def _step(
    frames: Sequence[Frame],
    corners: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
    *,
    incomplete: bool,
) -> tuple[npt.NDArray[np.float64], list[float] | None, list[str]]:
    """Vector from one slice to the next. A tilted gantry's is not parallel to the normal."""
    heights = corners @ normal
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    tolerance = _TOLERANCE * usual + _TOLERANCE_MM
    notes: list[str] = []
    uneven = np.flatnonzero(np.abs(gaps - usual) > tolerance)
    if len(uneven):
        notes = [_unevenness(frames, heights, uneven, usual, tolerance, incomplete=incomplete)]
    # Where the distances vary, the line from the first slice to the last one is the best there is.
    step = (corners[-1] - corners[0]) / (len(corners) - 1)
    share = (heights - heights[0]) / (heights[-1] - heights[0]) * (len(corners) - 1)
    off = np.linalg.norm(corners - (corners[0] + share[:, None] * step), axis=1)
    if off.max() > tolerance:
        raise InvalidArgument(
            f"{frames[int(off.argmax())].path}: lies {off.max():.3f} mm beside the line of the "
            "other slices; a volume needs slices on one straight line"
        )
    return step, heights.tolist() if len(uneven) else None, notes


def _unevenness(
    frames: Sequence[Frame],
    heights: npt.NDArray[np.float64],
    uneven: npt.NDArray[np.int64],
    usual: float,
    tolerance: float,
    *,
    incomplete: bool,
) -> str:
    """Refuse gaps that missing slices leave; the note of a spacing that varies."""
    gaps = np.diff(heights)
    multiples = np.rint(gaps[uneven] / usual)
    is_whole = (multiples >= 2) & (
        np.abs(gaps[uneven] - multiples * usual) <= multiples * tolerance
    )
    worst = uneven[is_whole] if is_whole.any() else uneven
    index = int(worst[np.argmax(np.abs(gaps[worst] - usual))])
    between = (
        f"between {frames[index].label} (at {heights[index]:.3f} mm) and {frames[index + 1].label} "
        f"(at {heights[index + 1]:.3f} mm): {gaps[index]:.3f} mm apart where the others are "
        f"{usual:.3f} mm"
    )
    kept = "its affine has the mean distance, the details of the store have every slice's place"
    if not is_whole.any():
        return f"uneven slice spacing, the most {between}; {kept}"
    n_missing = round(float(gaps[index]) / usual) - 1
    what = f"{n_missing} slice{'s' if n_missing > 1 else ''} missing {between}"
    if not incomplete:
        raise InvalidArgument(
            f"{what}; get the missing files, or move what does not belong to the volume out of the "
            "folder, or pack what is there with --incomplete (incomplete=True)"
        )
    return f"{what}; {kept}"


def _with_empty_places(
    frames: Sequence[Frame],
    order: list[list[int]],
    corners: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
) -> tuple[list[list[int]], npt.NDArray[np.float64]]:
    """Put a place without frames where one was left out between others."""
    heights = corners @ normal
    gaps = np.diff(heights)
    first = frames[0]
    step_mm = number(first.path, first, "SpacingBetweenSlices", 0.0) or float(gaps.min())
    counts = np.rint(gaps / step_mm)
    n_places = int(counts.sum()) + 1
    is_grid = (
        step_mm > 0
        and counts.min() >= 1
        and np.abs(gaps - counts * step_mm).max() <= _TOLERANCE * step_mm + _TOLERANCE_MM
        # A distance between two frames that would need more slices than a volume has is damage.
        and n_places < 1 << 16
    )
    if not is_grid:
        raise InvalidArgument(
            f"{first.path}: its frames lie {gaps.min():.3f} to {gaps.max():.3f} mm apart, which "
            f"are no multiples of {step_mm:.3f} mm"
        )
    placed: list[list[int]] = [[] for _ in range(n_places)]
    for place, members in zip(np.cumsum([0, *counts]).astype(int), order, strict=True):
        placed[place] = members
    return placed, (corners[-1] - corners[0]) / (n_places - 1)


def flat_affine(frame: Frame) -> tuple[npt.NDArray[np.float64], str]:
    """Make the affine of an image without a position, from its pixel spacing alone.

    The second value is what a user should know of it.
    """
    keywords = [name for name in ("PixelSpacing", "ImagerPixelSpacing") if frame.get(name)]
    if keywords:
        spacing_mm = numbers(frame.path, frame, keywords[0], 2)
        note = "its affine holds the pixel spacing and a slice of 1 mm only"
    else:
        spacing_mm = np.ones(2)
        note = "nor a pixel spacing; 1 mm is stored for all axes, which may be wrong"
    affine = np.diag([-spacing_mm[1], -spacing_mm[0], 1.0, 1.0])
    return affine, f"the image has no position or orientation; {note}"
