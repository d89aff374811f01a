"""A folder with one DICOM series in.

The array has the axes (column, row, slice), Fortran order: the stored integers, neither rescaled
nor inverted. Slices that share slope and intercept keep them as two numbers; where these vary, the
table of them is kept, and only `unpack` turns the integers into floats. UIDs, names, dates and
other identifiers of the patient stay behind unless asked for.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.geometry import number
from medroi.scans.dicom.pixels import read_stack
from medroi.scans.dicom.series import Series, find_series
from medroi.scans.formats.files import readable
from medroi.scans.scan import Scan

_TECHNICAL_TAGS = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "BodyPartExamined",
    "PatientPosition",
    "ImageType",
    "ScanningSequence",
    "MRAcquisitionType",
    "MagneticFieldStrength",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "KVP",
    "ConvolutionKernel",
    "GantryDetectorTilt",
    "SliceThickness",
    "SpacingBetweenSlices",
    "PhotometricInterpretation",
    "BitsStored",
    "RescaleType",
    "Units",
    "WindowCenter",
    "WindowWidth",
)
_IDENTIFYING_TAGS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "SOPClassUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "InstitutionName",
    "StudyDescription",
    "SeriesDescription",
    "SeriesNumber",
    "ProtocolName",
)


def read(folder: Path, *, keep_identifiers: bool = False, incomplete: bool = False) -> Scan:
    """Read the one series of a folder.

    Parameters
    ----------
    folder : Path
        Holds the files of one series, in any order and under any names, at any depth.
    keep_identifiers : bool
        Also keep UIDs, dates, descriptions and what names the patient.
    incomplete : bool
        Take a series of which slices are missing at the ends, with a note.
    """
    with warnings.catch_warnings(), readable(folder, "a damaged DICOM series"):
        # pydicom warns of elements that break the standard; those that matter are checked here.
        warnings.simplefilter("ignore")
        return _assembled(find_series(folder, incomplete=incomplete), keep_identifiers)


def _assembled(series: Series, keep_identifiers: bool) -> Scan:
    first = series.datasets[0]
    stack, pixel_notes = read_stack(series.paths, first)

    rescale = [_rescale(path, ds) for path, ds in zip(series.paths, series.datasets, strict=True)]
    tags = _TECHNICAL_TAGS + (_IDENTIFYING_TAGS if keep_identifiers else ())
    details: dict[str, Any] = {"tags": _tags(first, tags)}
    notes = [*series.notes, *pixel_notes]
    slope, intercept = rescale[0]
    if len(set(rescale)) > 1:
        slope, intercept = 1.0, 0.0
        details["rescale_per_slice"] = {
            "slope": [pair[0] for pair in rescale],
            "intercept": [pair[1] for pair in rescale],
        }
        notes.append(
            "slope and intercept vary from slice to slice; thresholds apply to the stored integers"
        )
    inverted = first.get("PhotometricInterpretation") == "MONOCHROME1"
    return Scan(
        voxels=stack.transpose(2, 1, 0),
        kind="dicom",
        affine=series.affine,
        slope=slope,
        intercept=intercept,
        polarity="dark" if inverted else "bright",
        details=details,
        notes=tuple(notes),
    )


def rescaled(scan: Scan) -> npt.NDArray[Any]:
    """Apply a per-slice table: float32 where that holds every value exactly, else float64."""
    table = scan.details["rescale_per_slice"]
    try:
        slope, intercept = (np.asarray(table[name], np.float64) for name in ("slope", "intercept"))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArgument(f"the table of slopes and intercepts is damaged: {error}") from error
    if not slope.shape == intercept.shape == scan.voxels.shape[2:]:
        raise InvalidArgument(
            f"slopes of shape {slope.shape} and intercepts of shape {intercept.shape} do not fit a "
            f"volume of shape {scan.voxels.shape}"
        )
    values = np.asfortranarray(scan.voxels * slope + intercept)
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow.astype(np.float64), values) else values


def _rescale(path: Path, dataset: Any) -> tuple[float, float]:
    # Dose images have a name of their own for it.
    slope = number(path, dataset, "RescaleSlope", number(path, dataset, "DoseGridScaling", 1.0))
    if slope == 0:
        raise InvalidArgument(f"{path}: the rescale slope is 0, which leaves no values")
    return slope, number(path, dataset, "RescaleIntercept", 0.0)


def _tags(dataset: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        # A damaged description is no reason to refuse the voxels, whatever pydicom says of it.
        with contextlib.suppress(Exception):
            value = dataset.get(name)
            if value is not None:
                found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    """Turn pydicom's own types into what JSON holds."""
    if isinstance(value, str) or type(value).__name__ == "PersonName":
        return str(value)
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "__iter__"):
        return [_plain(item) for item in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
