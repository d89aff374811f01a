"""Waiting for an HDF5 file that another program has open.

HDF5 itself locks a file that it has open: shared for reading, exclusive for writing. The same locks
are used here, so that h5py and every other program with HDF5 1.10 or newer is seen, and sees us.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from medroi.errors import InvalidArgument, MedROIError
from medroi.scans.stores.hdf5_journal import is_torn, recover
from medroi.system import BINARY, try_lock

# How long a file may stay open elsewhere without being written to.
PATIENCE_S = 10.0
_PAUSE_S = 0.05
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
_VARIABLE = "HDF5_USE_FILE_LOCKING"


class Patience:
    """A wait with an end that moves while whoever has the file is writing to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: object = None
        self._deadline = 0.0

    def wait(self) -> None:
        """Wait a moment, or say that it has been long enough."""
        found = self._path.stat()
        seen, now = (found.st_ino, found.st_mtime_ns, found.st_size), time.monotonic()
        if seen != self._seen:
            self._seen, self._deadline = seen, now + PATIENCE_S
        if now > self._deadline:
            raise InvalidArgument(
                f"{self._path} is open in another program, or in this one; it is left as it is. "
                "Close it there and try again"
            )
        time.sleep(_PAUSE_S)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[int]:
    """Open a file for writing while nobody else has it open.

    Raises
    ------
    InvalidArgument
        Where others keep it open without writing to it.
    """
    patience = Patience(path)
    while True:
        descriptor = os.open(path, os.O_RDWR | BINARY)
        try:
            if _try_lock(descriptor, path):
                # Another may have put a new file under this name while we waited.
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    recover(descriptor)
                    yield descriptor
                    return
            else:
                patience.wait()
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int, path: Path) -> bool:
    if os.environ.get(_VARIABLE, "").upper() in ("FALSE", "0"):
        return True
    try:
        return try_lock(descriptor)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise MedROIError(
            f"{path}: its file system has no locks, so that two programs could write to it at "
            f"once; make sure that none does and set {_VARIABLE}=FALSE"
        ) from error


def make_readable(path: Path) -> None:
    """Repair a file that was left between two states by a kill.

    Raises
    ------
    MedROIError
        Where it must be repaired and cannot be written.
    """
    with path.open("rb") as file:
        if not is_torn(file.fileno()):
            return
    try:
        # Where it is not torn but being written, this waits until it is done.
        with exclusive(path):
            pass
    except PermissionError as error:
        raise MedROIError(
            f"{path}: a program was killed while it wrote to it; whoever may write to it repairs "
            "it by `medroi info` of it"
        ) from error
