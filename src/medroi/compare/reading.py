"""Scans and 2-D images into arrays."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medroi.compare.sources import Source
from medroi.errors import InvalidArgument, MedROIError
from medroi.scans import Scan, read_scan
from medroi.scans.scan import checked_dtype, require


def read(source: Source) -> Scan:
    """The scan of a source, as stored.

    Raises
    ------
    InvalidArgument
        For damaged files and those that hold no scan.
    InnerUnavailable
        Where the package that reads them is not installed.
    """
    if source.kind == "dicom":
        return _flat_where_single(_read_dicom(source.paths))
    path = Path(source.paths[0])
    with _without_folder(path.parent):
        return _read_image(path) if source.kind == "image" else read_scan(path)


@contextlib.contextmanager
def _without_folder(folder: Path) -> Iterator[None]:
    """Let errors name a file without its folder: a report goes to other people."""
    try:
        yield
    except MedROIError as error:
        message = str(error).replace(f"{folder}{os.sep}", "").replace(str(folder), "the series")
        raise type(error)(message) from error


def _read_image(path: Path) -> Scan:
    """A grey PNG or TIFF: rows, columns."""
    image_module = require("PIL.Image", "reading PNG and TIFF", "compare")
    try:
        with image_module.open(path) as image:
            if len(image.getbands()) != 1 or image.mode in ("P", "1"):
                raise InvalidArgument(f"{path.name}: {image.mode} pixels; expected grey ones")
            if getattr(image, "n_frames", 1) != 1:
                raise InvalidArgument(f"{path.name}: {image.n_frames} pages; expected one image")
            voxels = np.array(image)
            # Pillow reads grey of 16 bits into 32 where the file is a PNG.
            if image.mode == "I" and voxels.size and 0 <= voxels.min() <= voxels.max() < 1 << 16:
                voxels = voxels.astype(np.uint16)
    except InvalidArgument:
        raise
    except Exception as error:  # Pillow's plugins raise errors of many kinds
        raise InvalidArgument(f"{path.name}: not a readable image: {error}") from error
    voxels = voxels.astype(voxels.dtype.newbyteorder("="))
    return Scan(voxels, "array", np.eye(4), footer=b"", details={"dtype": str(voxels.dtype)})


def _read_dicom(paths: tuple[str, ...]) -> Scan:
    """One series, wherever its files are: the reader takes a folder that holds nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(paths):
            os.symlink(path, Path(folder) / f"{number:06d}.dcm")
        with _without_folder(Path(folder)):
            # Nothing is archived here: a part of a series can be compared as well.
            scan = read_scan(folder, incomplete=True)
    checked_dtype(scan.voxels.dtype, Path(paths[0]))
    return scan


def _flat_where_single(scan: Scan) -> Scan:
    """A single DICOM image as rows and columns."""
    if scan.voxels.ndim != 3 or scan.voxels.shape[2] != 1:
        return scan
    image = np.ascontiguousarray(scan.voxels[:, :, 0].T)
    return Scan(image, "array", np.eye(4), polarity=scan.polarity)
