"""Contents of a source file, put together from the bytes around the voxels and the voxels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.scan import Scan
from medroi.scans.sources.source import Piece, SourceFile
from medroi.working_memory import WorkingMemory


def contents(scan: Scan, file: SourceFile) -> Iterator[Any]:
    """Give what a source file holds uncompressed, block by block.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    file : SourceFile
        One of its sources.
    """
    yield from contents_of_pieces(scan, file.pieces or all_of(scan))


def contents_of_pieces(scan: Scan, pieces: tuple[Piece, ...]) -> Iterator[Any]:
    """Give the bytes of pieces of a scan, block by block."""
    sizes = {
        "header": len(scan.header),
        "voxels": scan.voxels.nbytes,
        "footer": len(scan.footer),
    }
    for name, start, stop in pieces:
        if stop > sizes[name]:
            raise InvalidArgument(
                f"a packed file is made of {name} up to byte {stop}, of which {sizes[name]} are "
                "there; one of them was changed after packing"
            )
        if name == "voxels":
            yield from voxel_bytes(scan, start, stop)
        else:
            yield memoryview(scan.header if name == "header" else scan.footer)[start:stop]


def all_of(scan: Scan) -> tuple[Piece, ...]:
    """The pieces of a file that holds a whole scan: header, voxels, footer."""
    return pieces_around(len(scan.header), scan.voxels.nbytes, len(scan.footer))


def pieces_around(
    header_nbytes: int, voxels_nbytes: int, footer_nbytes: int, *, start: int = 0
) -> tuple[Piece, ...]:
    """The pieces of a file by their sizes; those of the header begin at a byte of it."""
    return (
        ("header", start, start + header_nbytes),
        ("voxels", 0, voxels_nbytes),
        ("footer", 0, footer_nbytes),
    )


def voxel_bytes(scan: Scan, start: int, stop: int) -> Iterator[Any]:
    """Give a range of the voxels' bytes in the order and byte order of the file.

    `scan.details["file_axes"]` names the axes of the voxels in the order of the file, the innermost
    first; without it they are in the file as they are in the scan.
    """
    dtype = scan.voxels.dtype.newbyteorder("<" if scan.byte_order == "<" else ">")
    voxels = in_file_order(scan)
    if dtype.isnative and voxels.flags.f_contiguous:
        yield voxels.T.reshape(-1).view(np.uint8).data[start:stop]
        return
    slab_nbytes = voxels.nbytes // voxels.shape[-1]
    for index in range(start // slab_nbytes, -(-stop // slab_nbytes)):
        slab = voxels[..., index].astype(dtype).tobytes(order="F")
        first = index * slab_nbytes
        yield memoryview(slab)[max(0, start - first) : stop - first]


def in_file_order(scan: Scan) -> npt.NDArray[Any]:
    """Return the voxels with the axes of the file, the innermost first."""
    axes = scan.details.get("file_axes")
    if axes is None:
        return scan.voxels
    if sorted(axes) != list(range(scan.voxels.ndim)):
        raise InvalidArgument(f"the order of the axes in the file, {axes}, is damaged")
    return scan.voxels.transpose(axes)


def to_scan_order(
    stored: npt.NDArray[Any], n_inner: int, memory: WorkingMemory
) -> tuple[npt.NDArray[Any], list[int]]:
    """Move components of a voxel, the first axes in the file, behind those of space and time.

    Parameters
    ----------
    stored : ndarray
        As in the file, the innermost axis first.
    n_inner : int
        Axes of components.
    memory : WorkingMemory
        For the voxels in that order.

    Returns
    -------
    voxels : ndarray
        In Fortran order.
    file_axes : list of int
        For `Scan.details`.
    """
    ndim = stored.ndim
    order = [*range(n_inner, ndim), *range(n_inner)]
    file_axes = [order.index(axis) for axis in range(ndim)]
    return memory.in_f_order(stored.transpose(order)), file_axes
