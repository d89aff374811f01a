"""Slices of a file: one, the frames of a multi-frame image, or the tiles of a mosaic."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import number, numbers
from medroi.scans.dicom.layout import PixelLayout, is_encapsulated, layout_of
from medroi.scans.dicom.mosaic import with_tiles

# Of the sequences that describe the frames of an enhanced image, those that place them in space,
# time and meaning, and turn their integers into values.
_MACROS = (
    "CardiacSynchronizationSequence",
    "CTImageFrameTypeSequence",
    "FrameContentSequence",
    "FrameVOILUTSequence",
    "MREchoSequence",
    "MRDiffusionSequence",
    "MRImageFrameTypeSequence",
    "MRImagingModifierSequence",
    "PETFrameTypeSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
    "SegmentIdentificationSequence",
    "TemporalPositionSequence",
)
_INNER_MACROS = ("DiffusionGradientDirectionSequence",)
_GREYS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
# Names of the numbers of a colour.
_LUMINANCE = ["luminance", "blue difference", "red difference"]
COMPONENTS = {
    "RGB": ["red", "green", "blue"],
    "YBR_FULL": _LUMINANCE,
    "YBR_FULL_422": _LUMINANCE,
    "YBR_PARTIAL_422": _LUMINANCE,
    "HSV": ["hue", "saturation", "value"],
    "ARGB": ["alpha", "red", "green", "blue"],
    "CMYK": ["cyan", "magenta", "yellow", "black"],
}
# What a gzipped byte unpacks to at most, which bounds the frames of a file that is gzipped.
_GZIP_FACTOR = 1100
# A frame of compressed pixels has at least the tag and the length of its item.
_ITEM_NBYTES = 8


@dataclass(frozen=True)
class ImageFile:
    """One file that holds an image.

    Attributes
    ----------
    path : Path
    name : str
        Relative to the folder that was read, with ``/``.
    dataset : Dataset
        Its header.
    layout : PixelLayout
        Its pixels.
    """

    path: Path
    name: str
    dataset: Any
    layout: PixelLayout


@dataclass(frozen=True)
class Frame:
    """One slice: `index` counts the planes of `file`; `own` is what it says of itself alone."""

    file: ImageFile
    index: int = 0
    own: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file it is in."""
        return self.file.path

    @property
    def label(self) -> str:
        """The file's name, with the frame where there are several."""
        several = f", frame {self.index + 1}" if self.file.layout.n_planes > 1 else ""
        return f"{self.path.name}{several}"

    @property
    def has_position(self) -> bool:
        """Whether it says where in space it lies."""
        return self.get("ImagePositionPatient") not in (None, "")

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return an element of the frame, else of the file."""
        return self.own[keyword] if keyword in self.own else self.file.dataset.get(keyword, default)


def frames_of(path: Path, name: str, dataset: Any) -> list[Frame]:
    """Find the slices of one file.

    Raises
    ------
    InvalidArgument
        Where it is no image of one number per voxel, or its header contradicts itself.
    """
    _check_supported(path, dataset)
    n_frames = _n_frames(path, dataset)
    layout = layout_of(path, dataset, n_frames)
    if n_frames > 1:
        check_bounded(path, dataset, layout)
    layout, tiles = (layout, []) if layout.samples > 1 else with_tiles(path, dataset, layout)
    file = ImageFile(path, name, dataset, layout)
    if tiles:
        if n_frames > 1:
            raise InvalidArgument(f"{path}: a mosaic of {n_frames} frames; expected one sheet")
        return [Frame(file, index, own) for index, own in enumerate(tiles)]
    if "PerFrameFunctionalGroupsSequence" in dataset:
        return [Frame(file, k, own) for k, own in enumerate(_enhanced(path, dataset, n_frames))]
    if n_frames == 1:
        return [Frame(file)]
    return [Frame(file, k, own) for k, own in enumerate(_classic(path, dataset, n_frames))]


def _n_frames(path: Path, dataset: Any) -> int:
    count = number(path, dataset, "NumberOfFrames", 1)
    if count % 1 or count < 1:
        raise InvalidArgument(f"{path}: NumberOfFrames is {count:g}; expected a whole number")
    return int(count)


def _check_supported(path: Path, dataset: Any) -> None:
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax and not getattr(syntax, "is_transfer_syntax", False):
        raise InvalidArgument(
            f"{path}: the transfer syntax {syntax} is none of DICOM's: its pixels may be coded in "
            "any way; convert it with the software of its maker, or with gdcmconv --raw"
        )
    samples = number(path, dataset, "SamplesPerPixel", 1)
    meaning = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    # Compressed colours are decoded to red, green and blue, whatever their own space is.
    is_colour = meaning in COMPONENTS or (meaning.startswith("YBR_") and is_encapsulated(dataset))
    if not is_colour and meaning not in _GREYS:
        raise InvalidArgument(
            f"{path}: photometric interpretation {meaning}; expected {', '.join(_GREYS)} or "
            f"{', '.join(COMPONENTS)}"
        )
    expected = len(COMPONENTS.get(meaning, _LUMINANCE)) if is_colour else 1
    if samples != expected:
        raise InvalidArgument(
            f"{path}: {meaning} pixels with {samples:g} samples; expected {expected}"
        )


def check_bounded(path: Path, dataset: Any, layout: PixelLayout) -> None:
    """Refuse more pixels than the file has bytes for, before memory is looked for.

    Raises
    ------
    InvalidArgument
    """
    with path.open("rb") as file:
        factor = _GZIP_FACTOR if file.read(2) == b"\x1f\x8b" else 1
    nbytes = path.stat().st_size * factor
    needed = layout.n_frames * _ITEM_NBYTES if is_encapsulated(dataset) else layout.nbytes
    if needed > nbytes and not _is_deflated(dataset):
        is_one = layout.n_frames == 1
        frames = "1 frame needs" if is_one else f"{layout.n_frames} frames need"
        raise InvalidArgument(
            f"{path}: unreadable pixel data: {frames} at least {needed} bytes, a "
            f"{'' if is_one else 'multi-frame '}file of {nbytes} bytes has fewer; it is cut off, "
            "or its header is wrong"
        )


def _is_deflated(dataset: Any) -> bool:
    return bool(getattr(dataset.file_meta.TransferSyntaxUID, "is_deflated", False))


def _enhanced(path: Path, dataset: Any, n_frames: int) -> list[dict[str, Any]]:
    per_frame = dataset.PerFrameFunctionalGroupsSequence
    if len(per_frame) != n_frames:
        raise InvalidArgument(
            f"{path}: {n_frames} frames, of which {len(per_frame)} are described; it is damaged"
        )
    shared: dict[str, Any] = {}
    for item in dataset.get("SharedFunctionalGroupsSequence") or ():
        shared.update(_elements(item))
    return [{**shared, **_elements(item)} for item in per_frame]


def _elements(group: Any) -> dict[str, Any]:
    """The elements of the functional groups that are used, by their keywords."""
    found: dict[str, Any] = {}
    for macro in _MACROS:
        for item in (group.get(macro) or ())[:1]:
            for element in item:
                if element.VR != "SQ":
                    found[element.keyword] = element.value
            for inner in _INNER_MACROS:
                for inside in (item.get(inner) or ())[:1]:
                    found.update({element.keyword: element.value for element in inside})
    return found


def _classic(path: Path, dataset: Any, n_frames: int) -> list[dict[str, Any]]:
    """Frames without functional groups: by their offsets or distance, else one after another."""
    at: Any = dataset
    if "ImagePositionPatient" not in at:
        # Nuclear medicine has position and orientation with its detectors.
        at = next(iter(dataset.get("DetectorInformationSequence") or ()), dataset)
    if "ImagePositionPatient" not in at or "ImageOrientationPatient" not in at:
        return [{"TemporalPositionIndex": index + 1} for index in range(n_frames)]
    position = numbers(path, at, "ImagePositionPatient", 3)
    cosines = numbers(path, at, "ImageOrientationPatient", 6)
    normal = np.cross(cosines[:3], cosines[3:])
    offsets: npt.NDArray[Any]
    if dataset.get("GridFrameOffsetVector") is not None:
        offsets = numbers(path, dataset, "GridFrameOffsetVector", n_frames)
        # Offsets that do not begin with 0 are places along the patient's axis themselves.
        if offsets[0] != 0:
            offsets = (offsets - position[2]) * (np.sign(normal[2]) or 1)
    else:
        step_mm = number(
            path, dataset, "SpacingBetweenSlices", number(path, dataset, "SliceThickness", 0)
        )
        if "SpacingBetweenSlices" not in dataset and dataset.get("Modality") not in ("NM", "PT"):
            step_mm = 0
        if not step_mm:
            return [{"TemporalPositionIndex": index + 1} for index in range(n_frames)]
        offsets = np.arange(n_frames) * step_mm
    return [
        {
            "ImagePositionPatient": list(position + offset * normal),
            "ImageOrientationPatient": list(cosines),
        }
        for offset in offsets
    ]
