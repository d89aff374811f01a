"""Where the axes of a scan point in the patient, if its file says so."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from medroi.scans.scan import Scan

# From the low to the high end of each axis of RAS+.
_LETTERS = ("LR", "PA", "IS")


def directions_of(scan: Scan) -> tuple[str, ...] | None:
    """Two letters per volume axis, from its low to its high end; None where the file is silent.

    Oblique axes are named for the direction nearest to them.
    """
    if not _says(scan):
        return None
    found = nearest_directions(scan.affine)
    return None if found is None else found[: scan.voxels.ndim]


def nearest_directions(affine: npt.NDArray[np.float64]) -> tuple[str, ...] | None:
    """Assign each voxel axis to the nearest axis of the patient, each of these once."""
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if not norms.all():
        return None
    cosines = affine[:3, :3] / norms
    left, names = np.abs(cosines), ["", "", ""]
    for _ in range(3):
        world, axis = np.unravel_index(np.argmax(left), left.shape)
        letters = _LETTERS[world]
        names[axis] = letters if cosines[world, axis] > 0 else letters[::-1]
        left[world, :] = -1.0
        left[:, axis] = -1.0
    return tuple(names)


def _says(scan: Scan) -> bool:
    if any("no usable affine" in note for note in scan.notes):
        return False
    if scan.kind == "nifti":
        return any(_nifti_codes(scan.header))
    if scan.kind == "mgz":
        # goodRASFlag, behind seven int32 and one int16.
        return len(scan.header) >= 30 and struct.unpack_from(">h", scan.header, 28)[0] > 0
    return scan.kind == "dicom"


def _nifti_codes(header: bytes) -> tuple[int, ...]:
    """qform_code and sform_code; an affine made of spacings alone has both 0."""
    for size, place, fields in ((348, 252, "hh"), (540, 344, "ii")):
        for order in "<>" if len(header) >= size else "":
            if struct.unpack_from(f"{order}i", header)[0] == size:
                return struct.unpack_from(f"{order}{fields}", header, place)
    return (0, 0)
