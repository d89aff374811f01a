"""Scans, as every reader returns and every writer takes them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans.sources.source import SourceFile

# What a scan can come from; "array" is a store that was never a file.
KINDS = ("nifti", "pair", "analyze", "mgz", "nrrd", "meta", "minc", "pictures", "dicom", "array")
# The names NIfTI gives its seven dimensions.
AXIS_NAMES = ("x", "y", "z", "t", "u", "v", "w")
# In `details`: the lowest and the highest value that the source declares to be padding.
PADDING_VALUES = "padding_values"
# And those that it declares to be a value at all, where not all of the type are.
VALID_RANGE = "valid_range"
# No scan is a thousand kilometres long; larger numbers are damage, and overflow in float32.
MAX_MM = 1e9


@dataclass(frozen=True)
class Scan:
    """One scan: its stored values, and all that is needed to write the same file again.

    Attributes
    ----------
    voxels : ndarray
        The values as stored (never scaled by slope and intercept), in native byte order and
        Fortran order, so that the last axis is outermost in memory, as in the file.
    kind : str
        One of `KINDS`: the kind of file it came from, which says how it is written.
    affine : ndarray
        4x4, voxel index to mm, RAS+.
    header, footer : bytes
        Every byte of the file before and behind the voxels; empty for DICOM.
    byte_order : str
        ``"<"`` or ``">"``: of the voxels in the file.
    slope, intercept : float
        Stored value to unit of measure. Where they vary, `details` holds a table instead.
    polarity : str
        ``"dark"`` where the format says that air is bright (DICOM's MONOCHROME1).
    meaning : str
        What the format says that the values are, where they are no intensities: ``"label"``, a
        statistic, a vector.
    details : dict
        JSON-able facts of the source that no other field holds.
    notes : tuple of str
        What a user should know about how the scan was read.
    sources : tuple of SourceFile
        The files that it was read from, with their digests. How their containers were made is
        found by `sources.finding`.
    attachments : dict of str to bytes
        Files that travel with the scan, by names of their own; a store keeps them as they are.
    """

    voxels: npt.NDArray[Any]
    kind: str
    affine: npt.NDArray[np.float64]
    header: bytes = b""
    footer: bytes = b""
    byte_order: str = "<"
    slope: float = 1.0
    intercept: float = 0.0
    polarity: str = "bright"
    meaning: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    attachments: dict[str, bytes] = field(default_factory=dict)

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance between voxel centres along the first three axes."""
        return tuple(float(norm) for norm in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def axis_names(self) -> tuple[str, ...]:
        """One name per axis of `voxels`."""
        names = self.details.get("axis_names", AXIS_NAMES[: self.voxels.ndim])
        return tuple(names)


def require(package: str, purpose: str, extra: str = "scans") -> Any:
    """Import a package of one of our extras, or say how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise InnerUnavailable(
            f"{purpose} needs {package.partition('.')[0]}, which is not installed: "
            f"pip install 'medroi[{extra}]'"
        ) from error


def checked_dtype(dtype: np.dtype[Any], path: Path, name: str = "") -> np.dtype[Any]:
    """Refuse the voxel types that MedROI has no region for; `name` is the file's own for it."""
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        # A type that numpy has not on this machine is a block of bytes without fields.
        what = "voxels of several numbers" if dtype.names else f"{name or dtype} voxels"
        raise InvalidArgument(
            f"{path}: {what} are not supported; expected integers of 8 to 64 bits or floats of 32 "
            "or 64 bits, one number per voxel"
        )
    return dtype


def slice_axis_of(scan: Scan) -> int | None:
    """Axis with the largest voxel spacing, across which a slice is thinnest in detail.

    None where the largest spacing is shared, which leaves the outermost axis in memory.
    """
    if scan.voxels.ndim < 3:
        return None
    spacing = np.asarray(scan.spacing_mm)
    widest = np.flatnonzero(spacing >= spacing.max() * (1 - 1e-3))
    return int(widest[0]) if len(widest) == 1 else None


def usable_affine(
    affine: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Return a 4x4 of finite numbers, and a note where the file had none."""
    affine = np.asarray(affine, dtype=np.float64)
    # Comparing is false for NaN as well.
    if affine.shape != (4, 4) or not (np.abs(affine) < MAX_MM).all():
        return np.eye(4), ("the header has no usable affine; the identity is stored beside it",)
    if not np.linalg.norm(affine[:3, :3], axis=0).all():
        return affine, ("the header gives a voxel size of 0 mm along an axis",)
    return affine, ()


def check_layout(scan: Scan, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse to write voxels under a header that describes other voxels."""
    if scan.voxels.shape != shape or scan.voxels.dtype != dtype.newbyteorder("="):
        raise InvalidArgument(
            f"the packed header describes {shape} {dtype.newbyteorder('=')} voxels, the array "
            f"holds {scan.voxels.shape} {scan.voxels.dtype}; one of them was changed after packing"
        )
