"""Reading hostile files with bounds, and writing files that others read."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument

_BLOCK_NBYTES = 1 << 24


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that may be gzipped, whatever its name says."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            with gzip.open(file, "rb") if is_gzip else contextlib.nullcontext(file) as stream:
                yield stream  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidArgument(f"{path}: damaged gzip data ({error})") from error


def read_exactly(file: IO[bytes], nbytes: int, path: Path, what: str) -> bytearray:
    """Read `nbytes`, growing with what is really there, never with what a header claims."""
    data = bytearray()
    while len(data) < nbytes:
        block = file.read(min(_BLOCK_NBYTES, nbytes - len(data)))
        if not block:
            raise InvalidArgument(
                f"{path}: the header announces {nbytes} bytes of {what}, the file holds "
                f"{len(data)}; it is truncated or its header is wrong"
            )
        data += block
    return data


def read_voxels(
    file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], path: Path
) -> npt.NDArray[Any]:
    """Read a dense Fortran-order array and return it in native byte order."""
    nbytes = dtype.itemsize
    for size in shape:
        if size < 1:
            raise InvalidArgument(f"{path}: the header gives the shape {shape}; sizes start at 1")
        nbytes *= int(size)
    data = read_exactly(file, nbytes, path, "voxels")
    stored = np.frombuffer(data, dtype=dtype)
    if not dtype.isnative:
        stored = stored.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return stored.reshape(shape, order="F")


def write_voxels(file: IO[bytes], voxels: npt.NDArray[Any], byte_order: str) -> None:
    """Write an array in Fortran order, slab by slab along its last axis."""
    dtype = voxels.dtype.newbyteorder("<" if byte_order == "<" else ">")
    for index in range(voxels.shape[-1]):
        file.write(voxels[..., index].astype(dtype).tobytes(order="F"))


@contextlib.contextmanager
def created(path: Path, compress: bool) -> Iterator[IO[bytes]]:
    """Write a file, gzipped without name and time, so that equal scans give equal bytes."""
    with path.open("wb") as file:
        if not compress:
            yield file
            return
        with gzip.GzipFile("", "wb", 6, fileobj=file, mtime=0) as stream:
            yield stream  # type: ignore[misc]
