"""Small NIfTI, FreeSurfer and DICOM files for the tests, made from numbers alone."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

# Exit codes of a pack: a store of few voxels is larger than their file, and says so by the second.
PACKED = (0, 3)
OBLIQUE_COSINES = ((0.96, 0.28, 0.0), (-0.168, 0.576, 0.8))


def head(
    shape: Sequence[int] = (30, 34, 26),
    dtype: Any = np.int16,
    *,
    background: float = 0,
    seed: int = 7,
) -> np.ndarray:
    """A bright ellipsoid with texture in even air, Fortran order."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(
        *(np.linspace(-1.6, 1.5, size) for size in shape[:3]), indexing="ij", sparse=True
    )
    inside = sum(grid**2 for grid in grids) < 1
    inside = inside.reshape(inside.shape + (1,) * (len(shape) - 3))
    top = min(200, np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else 200
    tissue = rng.integers(top // 2, top, size=shape)
    return np.asfortranarray(np.where(inside, tissue, background).astype(dtype))


def oblique_affine(spacing_mm: Sequence[float] = (1.5, 1.25, 3.0)) -> np.ndarray:
    """An affine that is rotated about two axes."""
    row, column = (np.array(cosines) for cosines in OBLIQUE_COSINES)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([row, column, np.cross(row, column)]) * spacing_mm
    affine[:3, 3] = -31.5, 12.25, 7.0
    return affine


def nifti(
    path: Path,
    voxels: np.ndarray,
    *,
    affine: np.ndarray | None = None,
    version: int = 1,
    byte_order: str = "<",
    slope: float | None = None,
    intercept: float | None = None,
    extension: bytes | None = None,
    edit: Callable[[bytearray], None] | None = None,
) -> Path:
    """Write a NIfTI file; `edit` may damage its bytes before they are stored."""
    image_class = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    header = image_class.header_class(endianness=byte_order)
    header.set_data_dtype(voxels.dtype)
    header["descrip"] = b"made for a test"
    image = image_class(voxels, oblique_affine() if affine is None else affine, header)
    if extension is not None:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", extension))
    plain = path.with_name("plain.nii")
    nibabel.save(image, plain)
    data = bytearray(plain.read_bytes())
    plain.unlink()
    if slope is not None:
        fields, offset = ("f", 112) if version == 1 else ("d", 176)
        struct.pack_into(f"{byte_order}2{fields}", data, offset, slope, intercept or 0.0)
    if edit is not None:
        edit(data)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def mgz(path: Path, voxels: np.ndarray, *, footer: bytes = b"") -> Path:
    """Write a FreeSurfer volume, with more tags behind nibabel's own footer."""
    nibabel.save(nibabel.MGHImage(voxels, oblique_affine()), path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".mgz" else path.read_bytes()
    data += footer
    path.write_bytes(gzip.compress(data) if path.suffix == ".mgz" else data)
    return path


def plain_bytes(path: Path) -> bytes:
    """Bytes of a file that may be gzipped."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def dicom_series(
    folder: Path,
    voxels: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float] = (1.5, 1.25, 3.0),
    origin_mm: Sequence[float] = (-40.0, 25.0, 10.0),
    cosines: tuple[Sequence[float], Sequence[float]] = OBLIQUE_COSINES,
    tilt_mm: float = 0.0,
    edit: Callable[[int, FileDataset], None] | None = None,
) -> Path:
    """Write one file per slice of (column, row, slice) voxels, in shuffled file order.

    `spacing_mm` is the distance along a row, between rows and between slices; `tilt_mm` moves each
    slice that far along the columns, as a tilted gantry does. `edit` changes slice k's data set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    row, column = np.array(cosines[0]), np.array(cosines[1])
    step = np.cross(row, column) * spacing_mm[2] + column * tilt_mm
    series_uid, study_uid = generate_uid(), generate_uid()
    names = np.random.default_rng(3).permutation(voxels.shape[2])
    for k in range(voxels.shape[2]):
        dataset = _slice(np.ascontiguousarray(voxels[:, :, k].T), series_uid, study_uid)
        dataset.InstanceNumber = k + 1
        dataset.ImageOrientationPatient = [float(value) for value in (*row, *column)]
        dataset.ImagePositionPatient = [float(v) for v in np.asarray(origin_mm) + k * step]
        dataset.PixelSpacing = [spacing_mm[1], spacing_mm[0]]
        dataset.SliceThickness = spacing_mm[2]
        if edit is not None:
            edit(k, dataset)
        dataset.save_as(folder / f"IM{names[k]:04d}", enforce_file_format=True)
    return folder


def _slice(pixels: np.ndarray, series_uid: str, study_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series_uid, study_uid
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "secret-4711"
    dataset.Modality, dataset.SeriesNumber = "MR", 5
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.add_new("PixelData", "OB" if pixels.itemsize == 1 else "OW", pixels.tobytes())
    return dataset


def dicom_corner_ras(dataset: pydicom.Dataset) -> np.ndarray:
    """Centre of a slice's first voxel, from DICOM's LPS to RAS."""
    return np.array([float(v) for v in dataset.ImagePositionPatient]) * (-1, -1, 1)
