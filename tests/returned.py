"""A scan packed and unpacked, its files compared byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medroi.scans import pack, read_scan, unpack
from medroi.scans.unpacking import UnpackReport


def unpacked_beside(source: Path, **options: Any) -> tuple[UnpackReport, Path]:
    """Pack losslessly and unpack into a folder; return the report and that folder."""
    folder = source.parent / f"{source.name} back"
    store = source.parent / f"{source.name} store.ome.zarr"
    if read_scan(source).voxels.ndim > 4:
        # OME-Zarr has no room for it.
        store = store.with_suffix("").with_suffix(".zarr")
    pack(source, store, lossless=True, **options)
    return unpack(store, f"{folder}/"), folder


def assert_very_bytes(source: Path, *others: Path, **options: Any) -> None:
    """Check that a scan of these files comes back with all of their bytes."""
    report, folder = unpacked_beside(source, **options)
    names = sorted(path.name for path in (source, *others))
    assert sorted(path.name for path in folder.iterdir()) == names
    for path in (source, *others):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert {file.outcome for file in report.files} == {"very bytes"}


def as_nifti(source: Path, suffix: str = ".nii") -> Path:
    """Unpack a scan that was packed before as NIfTI."""
    target = source.parent / f"{source.name} as{suffix}"
    unpack(source.parent / f"{source.name} store.ome.zarr", target)
    return target


def assert_nifti_agrees(source: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Check what another program would read from the NIfTI file that a scan unpacks to."""
    import nibabel

    image = nibabel.load(as_nifti(source))
    stored = np.asarray(image.dataobj)
    assert stored.dtype == voxels.dtype
    np.testing.assert_array_equal(stored, voxels)
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(read_scan(source).affine, affine, rtol=1e-6, atol=1e-5)
