"""Elements of a series that are kept where everybody reads them, beside the voxels."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from medroi.scans.dicom.frames import Frame

_TECHNICAL = (
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
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleType",
    "Units",
    "DoseUnits",
    "WindowCenter",
    "WindowWidth",
)
_IDENTIFYING = (
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


def tags_of(frame: Frame, *, identifiers: bool) -> dict[str, Any]:
    """Return the elements of an image that describe its series.

    Parameters
    ----------
    frame : Frame
    identifiers : bool
        Also UIDs, dates, descriptions and what names the patient.
    """
    found = {}
    for name in _TECHNICAL + (_IDENTIFYING if identifiers else ()):
        # A damaged description is no reason to refuse the voxels, whatever pydicom says of it.
        with contextlib.suppress(Exception):
            value = frame.get(name)
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
        found = float(value)
    except (TypeError, ValueError):
        return str(value)
    return found if math.isfinite(found) else str(value)
