"""Reading hostile files with bounds, and writing files that others read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument, MedROIError
from medroi.scans.sources.reading import SourceReader
from medroi.working_memory import WorkingMemory, mapped

_BLOCK_NBYTES = 1 << 20
# Bytes behind the voxels that a file may have: tags, not further voxels of a header that lies.
_MAX_FOOTER_NBYTES = 1 << 24


class Readable(Protocol):
    """Contents of a file, read front to back."""

    def read(self, nbytes: int, /) -> bytes:
        """Return so many bytes, or fewer at the end."""


@contextlib.contextmanager
def readable(
    path: Path, what: str, *, keep: tuple[type[Exception], ...] = (), target: Path | None = None
) -> Iterator[None]:
    """Turn whatever is raised over damaged bytes into one error that names the file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it then is: "a damaged Zarr array".
    keep : tuple of exceptions
        These are left as they are: they may come from writing.
    target : Path, optional
        Errors that name what is written are about that.
    """
    try:
        yield
    except MedROIError as error:
        names = [path.name] + ([] if target is None else [target.name])
        if any(name in str(error) for name in names):
            raise
        raise type(error)(f"{path}: {error}") from error
    except RecursionError as error:
        raise InvalidArgument(f"{path}: {what} (nested too deeply)") from error
    except Exception as error:
        # An error of HDF5's is an OSError too, without a number of the system's.
        if isinstance(error, keep) and getattr(error, "errno", 0) is not None:
            raise
        if isinstance(error, MemoryError):
            raise InvalidArgument(f"{path}: {what}, or larger than the memory") from error
        why = " ".join(str(error).split())[:200]
        raise InvalidArgument(f"{path}: {what} ({why or type(error).__name__})") from error


def read_exactly(file: Readable, nbytes: int, path: Path, what: str) -> bytearray:
    """Read `nbytes`, growing with what is really there, never with what a header claims."""
    data = bytearray()
    try:
        for block in _blocks(file, nbytes, path, what):
            data += block
    except MemoryError as error:
        raise _too_large(nbytes, path, what) from error
    return data


def _blocks(file: Readable, nbytes: int, path: Path, what: str) -> Iterator[bytes]:
    n_read = 0
    while n_read < nbytes:
        block = file.read(min(_BLOCK_NBYTES, nbytes - n_read))
        if not block:
            raise InvalidArgument(
                f"{path}: the header announces {nbytes} bytes of {what}, the file holds "
                f"{n_read}; it is truncated or its header is wrong"
            )
        n_read += len(block)
        yield block


def _too_large(nbytes: int, path: Path, what: str) -> InvalidArgument:
    return InvalidArgument(
        f"{path}: the header announces {nbytes} bytes of {what}, more than the memory holds"
    )


def read_footer(file: Readable, path: Path) -> bytes:
    """Read what stands behind the voxels, which is little unless the header lies."""
    footer = file.read(_MAX_FOOTER_NBYTES + 1)
    if len(footer) > _MAX_FOOTER_NBYTES:
        raise InvalidArgument(
            f"{path}: more than {_MAX_FOOTER_NBYTES} bytes stand behind the voxels that the header "
            "declares; its sizes are wrong"
        )
    return footer


def read_voxels(
    file: SourceReader,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    path: Path,
    memory: WorkingMemory,
) -> npt.NDArray[Any]:
    """Read a dense Fortran-order array and return it in native byte order.

    One for which there is no memory is a map of the file, where that holds it as it is, or of a
    scratch file.
    """
    nbytes = dtype.itemsize
    for size in shape:
        if size < 1:
            raise InvalidArgument(f"{path}: the header gives the shape {shape}; sizes start at 1")
        nbytes *= int(size)
    if nbytes > memory.array_nbytes:
        if not file.is_compressed and dtype.isnative and file.position % dtype.itemsize == 0:
            stored = _mapped(file, nbytes, path).view(dtype)
        else:
            stored = _read_into_scratch_file(file, nbytes, path, memory).view(dtype)
    elif file.may_hold(nbytes):
        stored = _read_in_place(file, nbytes, path).view(dtype)
    else:
        stored = np.frombuffer(read_exactly(file, nbytes, path, "voxels"), dtype=dtype)
    if not dtype.isnative:
        stored = stored.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return stored.reshape(shape, order="F")


def _read_in_place(file: SourceReader, nbytes: int, path: Path) -> npt.NDArray[np.uint8]:
    """Read into memory of the whole size at once: memory that grows is there twice meanwhile."""
    try:
        data, at = np.empty(nbytes, np.uint8), 0
    except MemoryError as error:
        raise _too_large(nbytes, path, "voxels") from error
    for block in _blocks(file, nbytes, path, "voxels"):
        data[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
    return data


def _mapped(file: SourceReader, nbytes: int, path: Path) -> npt.NDArray[np.uint8]:
    """Map a part of the file, which is read through for its digests."""
    start = file.position
    for _ in _blocks(file, nbytes, path, "voxels"):
        pass
    return file.mapped(start, nbytes)


def _read_into_scratch_file(
    file: SourceReader, nbytes: int, path: Path, memory: WorkingMemory
) -> npt.NDArray[np.uint8]:
    """Read bytes into a file that grows with what is really there."""
    with memory.scratch_file() as scratch:
        for block in _blocks(file, nbytes, path, "voxels"):
            scratch.write(block)
        scratch.flush()
        return mapped(scratch, (nbytes,), np.uint8)
