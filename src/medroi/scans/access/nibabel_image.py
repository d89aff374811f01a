"""A packed scan as nibabel has scans: a header, and an image whose voxels are read when needed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.access.lazy_array import LazyArray
from medroi.scans.access.scaled_array import scaled
from medroi.scans.access.voxel_types import as_elements
from medroi.scans.formats.files import readable
from medroi.scans.formats.nifti_header import as_nifti
from medroi.scans.scaling import Scaling
from medroi.scans.scan import Scan, require

# Above all levels that nibabel gives to what it finds wrong with a header.
_NEVER = 100


@dataclass(frozen=True, eq=False, repr=False)
class ImageVoxels:
    """An array proxy, as nibabel calls it: `dataobj` of an image that is not loaded.

    Indexing and ``np.asarray`` give values in the unit of the file, as of a file that nibabel
    opened; `get_unscaled` gives the stored ones.
    """

    stored: LazyArray
    scaling: Scaling

    is_proxy = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.stored.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.stored.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.stored.dtype

    @property
    def slope(self) -> float:
        """Factor from stored values to the unit of the file."""
        return float(self.scaling.slope)

    @property
    def inter(self) -> float:
        """The number that is added then."""
        return float(self.scaling.intercept)

    def get_unscaled(self) -> npt.NDArray[Any]:
        """Read all stored values."""
        return np.asarray(self.stored)

    def get_scaled(self, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
        """Read all values in the unit of the file, in `dtype` or one that holds more."""
        whole = tuple(slice(0, size) for size in self.shape)
        values = self.scaling.applied(self.stored.read(whole), whole, dtype)
        return values if dtype is None else values.astype(np.promote_types(values.dtype, dtype))

    def __getitem__(self, key: Any) -> Any:
        return scaled(self.stored, self.scaling)[key]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a packed scan is decoded: its voxels cannot be had without a copy")
        values = self.get_scaled(dtype)
        return values if dtype is None else values.astype(dtype, copy=False)


def header_of(scan: Scan, path: Path) -> Any:
    """Make the nibabel header of a scan.

    Parameters
    ----------
    scan : Scan
        With voxels that need not be in memory.
    path : Path
        For messages.

    Returns
    -------
    header
        Of NIfTI and FreeSurfer volumes their own, with the extensions of NIfTI; of all others one
        that `medroi unpack` would write.
    """
    nibabel = require("nibabel", "the header of a scan")
    with readable(path, "its header is damaged"):
        if scan.kind == "mgz":
            header_class = nibabel.freesurfer.mghformat.MGHHeader
            nbytes = header_class._hdrdtype.itemsize
            footer = scan.footer.ljust(header_class._ftrdtype.itemsize, b"\0")
            block = scan.header[:nbytes] + footer
            return header_class(block[: header_class.template_dtype.itemsize], check=False)
        data = scan.header if scan.kind == "nifti" else as_nifti(scan).header
        is_first = data[344:348] == b"n+1\0"
        header_class = nibabel.Nifti1Header if is_first else nibabel.Nifti2Header
        return header_class.from_fileobj(io.BytesIO(data), check=False)


def image_of(scan: Scan, scaling: Scaling, stored: LazyArray, path: Path) -> Any:
    """Make the nibabel image of a scan, whose voxels are read when they are asked for."""
    nibabel = require("nibabel", "a nibabel image")
    header, stored = header_of(scan, path), as_elements(scan, stored)
    if scan.kind == "mgz":
        return nibabel.MGHImage(ImageVoxels(stored, scaling), scan.affine, header)
    is_first = isinstance(header, nibabel.Nifti1Header) and not isinstance(
        header, nibabel.Nifti2Header
    )
    image_class = nibabel.Nifti1Image if is_first else nibabel.Nifti2Image
    if scan.kind != "nifti":
        return image_class(ImageVoxels(stored, scaling), scan.affine, header)
    # As nibabel opens a file: it mends some of a header, such as distances of 0; an affine that is
    # passed would be taken apart anew, which fails for distances that are not finite.
    header.check_fix(error_level=_NEVER)
    image = image_class(ImageVoxels(stored, scaling), None, header)
    image._affine = header.get_best_affine()
    return image
