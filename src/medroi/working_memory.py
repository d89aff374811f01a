"""Arrays for which memory has no room: they lie in scratch files.

A scratch file has no name, is mapped into memory, and goes with its array. The operating system
holds of it what it has room for and drops, or writes back, the rest: it is no memory that a process
must have.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument, MedROIError
from medroi.system import memory_nbytes

# Of the limit; a piece of work holds a few arrays at a time.
_SHARE = 8
_MIN_LIMIT_NBYTES = 1 << 24
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# Where the system does not say what it has.
_UNKNOWN_NBYTES = 1 << 32
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
# Where Linux says how much memory a container has, in its two versions.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class WorkingMemory:
    """Memory that a piece of work may take for its arrays.

    Attributes
    ----------
    limit_nbytes : int
        Arrays of more than an eighth of it lie in scratch files.
    folder : Path or None
        Of the scratch files; None is that for temporary files. They need as much room as what is
        in them: up to three bytes a voxel beside the voxels themselves.
    """

    limit_nbytes: int
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a limit in which nothing could be done.

        Raises
        ------
        InvalidArgument
        """
        if self.limit_nbytes < _MIN_LIMIT_NBYTES:
            raise InvalidArgument(
                f"memory of {self.limit_nbytes} bytes (--memory, memory=): expected "
                f"{_MIN_LIMIT_NBYTES >> 20} MiB or more"
            )

    @property
    def array_nbytes(self) -> int:
        """Size of the largest array that lies in memory."""
        return self.limit_nbytes // _SHARE

    def array(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, order: Any = "C"
    ) -> npt.NDArray[Any]:
        """Make an array, whose values are not set.

        Raises
        ------
        MedROIError
            Where it has to lie in a scratch file, and the disk has no room.
        """
        if nbytes_of_array(shape, dtype) <= self.array_nbytes:
            return np.empty(shape, dtype, order)
        return self.array_in_file(shape, dtype, order)

    def in_f_order(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array itself where it is in Fortran order, else a copy. Raises as `array`."""
        if values.flags.f_contiguous:
            return values
        made = self.array(values.shape, values.dtype, "F")
        for index in range(values.shape[-1]):
            made[..., index] = values[..., index]
        return made

    def array_in_file(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, order: Any = "C"
    ) -> npt.NDArray[Any]:
        """Make an array in a scratch file, whatever its size. Raises what `array` does."""
        with self.scratch_file() as file:
            _reserve(file, nbytes_of_array(shape, dtype))
            return mapped(file, shape, dtype, order)

    @contextlib.contextmanager
    def scratch_file(self) -> Iterator[IO[bytes]]:
        """Give a new file without a name; what is mapped of it stays when it is closed."""
        try:
            with tempfile.TemporaryFile(prefix="medroi-", dir=self.folder) as file:
                yield file
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise MedROIError(
                f"{self.folder or tempfile.gettempdir()}: no room for a scratch file "
                f"({error.strerror}); free some, name another folder in TMPDIR, or allow more "
                "memory with --memory (memory=)"
            ) from error


def mapped(
    file: IO[bytes], shape: tuple[int, ...], dtype: npt.DTypeLike, order: Any = "C"
) -> npt.NDArray[Any]:
    """Map a file that is as long as an array; to write into the array is to write into the file."""
    return np.memmap(file, dtype, "r+", shape=shape, order=order).view(np.ndarray)


def nbytes_of_array(shape: tuple[int, ...], dtype: npt.DTypeLike) -> int:
    """Size of a dense array."""
    return np.dtype(dtype).itemsize * math.prod(map(int, shape))


def _reserve(file: IO[bytes], nbytes: int) -> None:
    """Make a file so long, with its place on the disk: a mapped page without one is a crash."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, nbytes)
    else:
        file.truncate(nbytes)


def of_machine(folder: Path | None = None) -> WorkingMemory:
    """All the memory that this machine, or the container on it, has."""
    found = [memory_nbytes() or _UNKNOWN_NBYTES]
    for path in _CONTAINER_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return WorkingMemory(max(min(found), _MIN_LIMIT_NBYTES), folder)


def memory_of(asked: str | int | WorkingMemory | None, folder: Path | None = None) -> WorkingMemory:
    """Working memory of a size; None is that of the machine.

    Parameters
    ----------
    asked : str, int, WorkingMemory or None
        As `nbytes_of` reads it.
    folder : Path, optional
        For scratch files, where TMPDIR names none.

    Raises
    ------
    InvalidArgument
        For what is no size, and one in which nothing could be done.
    """
    if isinstance(asked, WorkingMemory):
        return asked
    folder = None if os.environ.get("TMPDIR") else folder
    return of_machine(folder) if asked is None else WorkingMemory(nbytes_of(asked), folder)


def nbytes_of(size: str | int) -> int:
    """Read a size in bytes: a number, or a text such as ``2GiB``, ``500M`` or ``1.5 TB``.

    Raises
    ------
    InvalidArgument
        For anything else.
    """
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    unit = match[2].lower() if match else ""
    if match is None or (match[3] and not unit):
        raise InvalidArgument(f"memory {size!r}: expected a size such as 2GiB or 500MB")
    return int(float(match[1]) * (_BINARY_UNITS if match[3] else _UNITS)[unit])
