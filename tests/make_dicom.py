"""DICOM of more kinds than one file a slice, made from numbers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from make_scans import OBLIQUE_COSINES
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    ParametricMapStorage,
    RTDoseStorage,
    SegmentationStorage,
    generate_uid,
)

SPACING_MM = (1.5, 1.25, 3.0)
ORIGIN_MM = (-40.0, 25.0, 10.0)
CLASSES = {
    "MR": EnhancedMRImageStorage,
    "CT": EnhancedCTImageStorage,
    "PT": EnhancedPETImageStorage,
}


def blank(sop_class: str, modality: str, **elements: Any) -> FileDataset:
    """A data set with what every image has."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "secret-4711"
    dataset.StudyDate, dataset.StudyTime = "20260102", "101112"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, 5, 1
    dataset.SeriesDescription = "t1 mprage/sag"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.ContentLabel, dataset.ContentDescription = "TEST", "made for a test"
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def with_pixels(dataset: FileDataset, frames: np.ndarray) -> FileDataset:
    """Give a data set (frame, row, column) pixels of their own type."""
    if len(frames) > 1 or "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = len(frames)
    dataset.Rows, dataset.Columns = frames.shape[1:]
    dataset.BitsAllocated = 8 * frames.itemsize
    if frames.dtype.kind == "f":
        name = "FloatPixelData" if frames.itemsize == 4 else "DoubleFloatPixelData"
        setattr(dataset, name, frames.tobytes())
        return dataset
    dataset.BitsStored = dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(frames.dtype.kind == "i")
    dataset.add_new("PixelData", "OB" if frames.itemsize == 1 else "OW", frames.tobytes())
    return dataset


def item(**elements: Any) -> Items:
    """A sequence of one item."""
    made = Dataset()
    for name, value in elements.items():
        setattr(made, name, value)
    return Items([made])


def basis(cosines: Sequence[Sequence[float]] = OBLIQUE_COSINES) -> np.ndarray:
    """Directions of row, column and normal, as columns."""
    row, column = np.array(cosines)
    return np.column_stack([row, column, np.cross(row, column)])


def corner(k: float, spacing_mm: Sequence[float] = SPACING_MM) -> list[float]:
    """Position of slice k."""
    found = np.asarray(ORIGIN_MM) + k * spacing_mm[2] * basis()[:, 2]
    return [float(f"{value:.10g}") for value in found]


def affine_ras(spacing_mm: Sequence[float] = SPACING_MM) -> np.ndarray:
    """The affine of slices at `corner(0)`, `corner(1)`, ..."""
    affine = np.eye(4)
    affine[:3, :3] = basis() * spacing_mm
    affine[:3, 3] = ORIGIN_MM
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def orientation() -> list[float]:
    """ImageOrientationPatient."""
    return [float(value) for value in np.ravel(OBLIQUE_COSINES)]


def shared_groups() -> Items:
    """Functional groups that all frames share."""
    shared = Dataset()
    shared.PixelMeasuresSequence = item(
        PixelSpacing=[SPACING_MM[1], SPACING_MM[0]],
        SliceThickness=SPACING_MM[2],
        SpacingBetweenSlices=SPACING_MM[2],
    )
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=orientation())
    return Items([shared])


def enhanced(
    path: Path,
    voxels: np.ndarray,
    *,
    modality: str = "MR",
    own: Any = lambda k, t: {},
    order: Sequence[int] | None = None,
    **elements: Any,
) -> Path:
    """Write (column, row, slice[, time]) voxels as one multi-frame file.

    `own(k, t)` gives functional groups of a frame; `order` shuffles the frames.
    """
    four = voxels[..., None] if voxels.ndim == 3 else voxels
    places = [(k, t) for t in range(four.shape[3]) for k in range(four.shape[2])]
    places = [places[index] for index in (order or range(len(places)))]
    dataset = blank(CLASSES[modality], modality, **elements)
    dataset.SharedFunctionalGroupsSequence = shared_groups()
    groups = []
    for k, t in places:
        group = Dataset()
        group.PlanePositionSequence = item(ImagePositionPatient=corner(k))
        group.FrameContentSequence = item(
            StackID="1",
            InStackPositionNumber=k + 1,
            TemporalPositionIndex=t + 1,
            DimensionIndexValues=[1, k + 1, t + 1],
        )
        for name, value in own(k, t).items():
            setattr(group, name, value)
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Items(groups)
    frames = np.array([four[:, :, k, t].T for k, t in places])
    with_pixels(dataset, np.ascontiguousarray(frames))
    dataset.save_as(path, enforce_file_format=True)
    return path


def segmentation(path: Path, segments: np.ndarray, *, fractional: bool = False) -> Path:
    """Write (column, row, slice, segment) of 0 and 1; planes without a voxel are left out."""
    dataset = blank(SegmentationStorage, "SEG")
    dataset.SegmentationType = "FRACTIONAL" if fractional else "BINARY"
    dataset.SharedFunctionalGroupsSequence = shared_groups()
    listed, groups, frames = [], [], []
    for s in range(segments.shape[3]):
        described = Dataset()
        described.SegmentNumber, described.SegmentLabel = s + 1, f"segment {s + 1}"
        described.SegmentAlgorithmType = "MANUAL"
        listed.append(described)
        for k in range(segments.shape[2]):
            if not segments[:, :, k, s].any():
                continue
            group = Dataset()
            group.PlanePositionSequence = item(ImagePositionPatient=corner(k))
            group.SegmentIdentificationSequence = item(ReferencedSegmentNumber=s + 1)
            group.FrameContentSequence = item(DimensionIndexValues=[s + 1, k + 1])
            groups.append(group)
            frames.append(segments[:, :, k, s].T)
    dataset.SegmentSequence = Items(listed)
    dataset.PerFrameFunctionalGroupsSequence = Items(groups)
    pixels = np.array(frames, np.uint8)
    with_pixels(dataset, pixels)
    dataset.NumberOfFrames = len(frames)
    if not fractional:
        dataset.BitsAllocated = dataset.BitsStored = 1
        dataset.HighBit = 0
        packed = np.packbits(pixels.reshape(-1), bitorder="little").tobytes()
        dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    dataset.save_as(path, enforce_file_format=True)
    return path


def parametric_map(path: Path, voxels: np.ndarray) -> Path:
    """Write float voxels as a parametric map."""
    made = enhanced(path, voxels)
    dataset = pydicom.dcmread(made)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ParametricMapStorage
    dataset.save_as(path, enforce_file_format=True)
    return path


def dose(path: Path, voxels: np.ndarray, offsets_mm: Sequence[float]) -> Path:
    """Write an RT dose grid."""
    dataset = blank(RTDoseStorage, "RTDOSE")
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = (
        list(ORIGIN_MM),
        [1, 0, 0, 0, 1, 0],
    )
    dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
    dataset.SliceThickness = SPACING_MM[2]
    dataset.GridFrameOffsetVector = list(offsets_mm)
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.DoseGridScaling, dataset.DoseUnits, dataset.DoseType = "0.001", "GY", "PHYSICAL"
    dataset.DoseSummationType = "PLAN"
    with_pixels(dataset, np.ascontiguousarray(voxels.T))
    dataset.save_as(path, enforce_file_format=True)
    return path


def _csa_tag(name: str, values: Sequence[str], vr: bytes) -> bytes:
    texts = [value.encode() + b"\0" for value in values] + [b""] * max(0, 6 - len(values))
    items = b"".join(
        len(text).to_bytes(4, "little") * 4 + text.ljust(-(-len(text) // 4) * 4, b"\0")
        for text in texts
    )
    head = name.encode().ljust(64, b"\0") + len(values).to_bytes(4, "little") + vr + b"\0\0"
    return head + bytes(4) + len(texts).to_bytes(4, "little") + (77).to_bytes(4, "little") + items


def csa(tags: dict[str, tuple[Sequence[str], bytes]]) -> bytes:
    """Siemens' own image header."""
    header = b"SV10\4\3\2\1" + len(tags).to_bytes(4, "little") + (77).to_bytes(4, "little")
    return header + b"".join(_csa_tag(name, *value) for name, value in tags.items())


def mosaic(
    path: Path, voxels: np.ndarray, *, reverse: bool = False, rubbish: bool = False, **elements: Any
) -> Path:
    """Write (column, row, slice) voxels as the tiles of one sheet.

    With `reverse` the tiles run against the normal of rows and columns. `rubbish` puts numbers into
    the tiles that no slice uses.
    """
    n_columns, n_rows, n_slices = voxels.shape
    across = math.ceil(math.sqrt(n_slices))
    sheet = np.full((across * n_rows, across * n_columns), 77 * rubbish, voxels.dtype)
    for tile in range(n_slices):
        k = n_slices - 1 - tile if reverse else tile
        row, column = divmod(tile, across)
        sheet[row * n_rows :, column * n_columns :][:n_rows, :n_columns] = voxels[:, :, k].T
    dataset = blank(MRImageStorage, "MR")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    dataset.Manufacturer = "SIEMENS"
    first = np.array(corner(n_slices - 1 if reverse else 0))
    first -= basis()[:, 0] * SPACING_MM[0] * (across - 1) * n_columns / 2
    first -= basis()[:, 1] * SPACING_MM[1] * (across - 1) * n_rows / 2
    dataset.ImagePositionPatient = [float(f"{value:.10g}") for value in first]
    dataset.ImageOrientationPatient = orientation()
    dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = SPACING_MM[2]
    normal = basis()[:, 2] * (-1 if reverse else 1)
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(
        0x10,
        "OB",
        csa(
            {
                "NumberOfImagesInMosaic": ([str(n_slices)], b"US"),
                "SliceNormalVector": ([f"{value:.8f}" for value in normal], b"FD"),
                "MosaicRefAcqTimes": ([f"{62.5 * k:.8f}" for k in range(n_slices)], b"FD"),
            }
        ),
    )
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    for name, value in elements.items():
        setattr(dataset, name, value)
    with_pixels(dataset, sheet[None])
    del dataset.ContentLabel, dataset.ContentDescription
    dataset.save_as(path, enforce_file_format=True)
    return path


def ct_slice(path: Path, pixels: np.ndarray, position: Sequence[float], **elements: Any) -> Path:
    """Write one CT image, with axes along the patient's."""
    dataset = blank(CTImageStorage, "CT")
    dataset.ImagePositionPatient = [float(value) for value in position]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1.25, 1.5], 3.0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    for name, value in elements.items():
        setattr(dataset, name, value)
    with_pixels(dataset, pixels.T[None])
    dataset.save_as(path, enforce_file_format=True)
    return path
