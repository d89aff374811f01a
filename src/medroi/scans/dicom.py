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

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans.dicom_geometry import number
from medroi.scans.dicom_series import Series, find_series
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


def read(folder: Path, *, keep_identifiers: bool = False) -> Scan:
    """Read the one series of a folder.

    Parameters
    ----------
    folder : Path
        Holds the files of one series, in any order and under any names, at any depth.
    keep_identifiers : bool
        Also keep UIDs, dates, descriptions and what names the patient.
    """
    with warnings.catch_warnings():
        # pydicom warns of elements that break the standard; those that matter are checked here.
        warnings.simplefilter("ignore")
        return _assembled(find_series(folder), keep_identifiers)


def _assembled(series: Series, keep_identifiers: bool) -> Scan:
    first = series.datasets[0]
    dtype = _stored_dtype(series.paths[0], first)
    # Only a slice that was really read proves that the header's size may be allocated.
    pixels = _stored_slice(series.paths[0], dtype)
    stack = np.empty((len(series.paths), *pixels.shape), dtype=dtype)
    stack[0] = pixels
    for index, path in enumerate(series.paths[1:], start=1):
        stack[index] = _stored_slice(path, dtype)

    rescale = [_rescale(path, ds) for path, ds in zip(series.paths, series.datasets, strict=True)]
    tags = _TECHNICAL_TAGS + (_IDENTIFYING_TAGS if keep_identifiers else ())
    details: dict[str, Any] = {"tags": _tags(first, tags)}
    notes = list(series.notes)
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


def _stored_dtype(path: Path, dataset: Any) -> np.dtype[Any]:
    allocated, stored = dataset.get("BitsAllocated"), dataset.get("BitsStored")
    if allocated not in (8, 16, 32) or not stored or not 1 <= stored <= allocated:
        raise InvalidArgument(
            f"{path}: {stored} bits stored in {allocated}; expected 8, 16 or 32 bits allocated"
        )
    if dataset.get("HighBit", stored - 1) != stored - 1:
        raise InvalidArgument(
            f"{path}: the high bit is {dataset.HighBit}; expected {stored - 1} for {stored} bits"
        )
    kind = "i" if dataset.get("PixelRepresentation", 0) else "u"
    return np.dtype(f"{kind}{allocated // 8}")


def _stored_slice(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    import pydicom

    try:
        dataset = pydicom.dcmread(path)
        if "PixelData" not in dataset:
            raise InvalidArgument(f"{path}: an image without pixel data")
        pixels = dataset.pixel_array
    except (RuntimeError, NotImplementedError) as error:
        syntax = dataset.file_meta.get("TransferSyntaxUID")
        name = getattr(syntax, "name", "unknown")
        raise InnerUnavailable(
            f"{path}: pixels compressed as {name}, which needs a decoder: pip install pylibjpeg "
            f"pylibjpeg-libjpeg pylibjpeg-openjpeg ({' '.join(str(error).split())[:160]})"
        ) from error
    except (ValueError, AttributeError, EOFError, TypeError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{path}: unreadable pixel data: {error}") from error
    unused = dtype.itemsize * 8 - int(dataset.BitsStored)
    # Bits above the stored ones may carry an overlay: they are no part of the value.
    values = np.array(pixels, dtype=dtype.newbyteorder("="), copy=True)
    return np.asarray(np.right_shift(np.left_shift(values, unused), unused))


def _rescale(path: Path, dataset: Any) -> tuple[float, float]:
    # Dose images have a name of their own for it.
    slope = number(path, dataset, "RescaleSlope", number(path, dataset, "DoseGridScaling", 1.0))
    if slope == 0:
        raise InvalidArgument(f"{path}: the rescale slope is 0, which leaves no values")
    return slope, number(path, dataset, "RescaleIntercept", 0.0)


def _tags(dataset: Any, names: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for name in names:
        # A damaged description is no reason to refuse the voxels.
        with contextlib.suppress(ValueError, TypeError, NotImplementedError):
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
