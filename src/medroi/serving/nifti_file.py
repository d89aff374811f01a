"""A packed scan as an uncompressed NIfTI file that is made as it is read."""

from __future__ import annotations

import math
from typing import Any

from medroi.errors import InvalidArgument
from medroi.serving.blocks import Blocks
from medroi.serving.body import Body

_CONTENT_TYPE = "application/octet-stream"


def nifti_body(packed: Any, blocks: Blocks) -> Body:
    """The file, of which any range of bytes can be read.

    Parameters
    ----------
    packed : Packed
        The scan.
    blocks : Blocks
        Its voxels.

    Raises
    ------
    InvalidArgument
        Where NIfTI has no such elements or as many axes.
    """
    head = _header(packed)
    head_nbytes, slice_nbytes = len(head), blocks.dtype.itemsize * math.prod(blocks.shape[:2])
    n_slices = math.prod(blocks.shape[2:])
    nbytes = head_nbytes + n_slices * slice_nbytes

    def read(start: int, stop: int) -> bytes:
        pieces = [head[start:stop]]
        first = max(start - head_nbytes, 0) // slice_nbytes
        last = max(stop - head_nbytes + slice_nbytes - 1, 0) // slice_nbytes
        for number in range(first, last):
            at = head_nbytes + number * slice_nbytes
            content = _slice(blocks, number)
            pieces.append(content[max(start - at, 0) : max(stop - at, 0)])
        return b"".join(pieces)

    return Body(_CONTENT_TYPE, nbytes, read)


def _slice(blocks: Blocks, number: int) -> bytes:
    """One slice across the third axis, counted on through all later axes."""
    bounds = [(0, size) for size in blocks.shape[:2]]
    for size in blocks.shape[2:]:
        bounds.append((number % size, number % size + 1))
        number //= size
    found = blocks.read(tuple(bounds))
    return found.astype(found.dtype.newbyteorder("<"), copy=False).tobytes(order="F")


def _header(packed: Any) -> bytes:
    import nibabel
    from nibabel.spatialimages import HeaderDataError

    shape = packed.shape
    is_large = any(size > 32767 for size in shape)
    kind: Any = nibabel.Nifti2Header if is_large else nibabel.Nifti1Header
    header = kind(endianness="<")
    try:
        header.set_data_dtype(packed.dtype)
        header.set_data_shape(shape)
    except HeaderDataError as error:
        raise InvalidArgument(f"{packed.name}: no NIfTI file holds it: {error}") from error
    header.set_sform(packed.affine, "scanner")
    header.set_qform(packed.affine, "scanner", strip_shears=True)
    spacing = [float(length) for length in packed.spacing_mm[: len(shape)]]
    header["pixdim"][1 : 1 + len(spacing)] = spacing
    scaling = packed.to_nibabel().dataobj.scaling
    if not scaling.is_linear:
        raise InvalidArgument(
            f"{packed.name}: its slices have slopes of their own, or its values stand in a table; "
            "a NIfTI file has one slope; the plain Zarr (/zarr/) has the stored values"
        )
    header.set_slope_inter(float(scaling.slope), float(scaling.intercept))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = header.single_vox_offset
    header["magic"] = header.single_magic
    return bytes(header.binaryblock) + bytes(4)  # no extensions
