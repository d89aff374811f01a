"""Differences between operating systems: locks, waiting for the disk, processes, memory.

POSIX systems have flock; Windows has LockFileEx, which locks a range of bytes, and lets nobody read
these meanwhile: so the range lies beyond the end of every file. A folder cannot be opened there;
a file in it is locked in its place.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path
from typing import Any

IS_WINDOWS = os.name == "nt"
# Descriptors of Windows translate line ends otherwise.
BINARY: int = getattr(os, "O_BINARY", 0)
# Where an operation is not known: the system, the file system, or the place across two of them.
UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM})

_LOCK_NAME = ".lock"
# Of Windows: flags of LockFileEx, its answer where another has the lock, the range that is locked.
_FAIL_IMMEDIATELY, _EXCLUSIVE = 1, 2
_ERROR_LOCK_VIOLATION, _ERROR_IO_PENDING = 33, 997
_BEYOND_HIGH = 0x40000000
_QUERY_LIMITED_INFORMATION, _ERROR_ACCESS_DENIED, _STILL_ACTIVE = 0x1000, 5, 259


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file until its descriptor is closed; False where another program has it.

    Raises
    ------
    OSError
        Where the file system, or the system, has no locks.
    """
    if IS_WINDOWS:
        return _lock_on_windows(descriptor, shared=shared)
    try:
        import fcntl
    except ImportError as error:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_folder(folder: str | Path) -> int:
    """Open what `try_lock` takes to lock a folder. Close it before the folder is deleted."""
    if IS_WINDOWS:
        return os.open(Path(folder, _LOCK_NAME), os.O_RDWR | os.O_CREAT | BINARY)
    return os.open(folder, os.O_RDONLY)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if IS_WINDOWS and path.is_dir():
        return  # its names are on the disk with the files
    descriptor = os.open(path, os.O_RDWR | BINARY if IS_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems know no fsync of folders.
        if error.errno not in UNSUPPORTED or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def read_at(descriptor: int, nbytes: int, offset: int) -> bytes:
    """Read as much as there is, of a descriptor that no other thread uses meanwhile."""
    data = bytearray()
    while len(data) < nbytes:
        part = _read(descriptor, nbytes - len(data), offset + len(data))
        if not part:
            break
        data += part
    return bytes(data)


def write_at(descriptor: int, data: Any, offset: int) -> None:
    """Write all of it, to a descriptor that no other thread uses meanwhile."""
    view = memoryview(data)
    while view:
        written = _write(descriptor, view, offset)
        if written == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view, offset = view[written:], offset + written


def is_running(pid: int) -> bool:
    """Whether a process of this machine runs; a pid above 0."""
    if IS_WINDOWS:
        return _runs_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # One that was killed and that its parent has not asked after yet runs no more.
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] != [b"Z"]
    except OSError:
        return True


def memory_nbytes() -> int | None:
    """Memory of the machine; None where the system does not say."""
    if IS_WINDOWS:
        return _memory_of_windows()
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _read(descriptor: int, nbytes: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, nbytes, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, nbytes)


def _write(descriptor: int, data: memoryview, offset: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, data)


class _Overlapped(ctypes.Structure):
    """OVERLAPPED of Windows, which says where a range begins."""

    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", ctypes.c_uint32),
        ("offset_high", ctypes.c_uint32),
        ("event", ctypes.c_void_p),
    )


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_nbytes", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 6),
    )


def _kernel32() -> Any:
    return ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]


def _last_error() -> int:
    found: int = ctypes.get_last_error()  # type: ignore[attr-defined]
    return found


def _lock_on_windows(descriptor: int, *, shared: bool) -> bool:
    import msvcrt

    where = _Overlapped(offset_high=_BEYOND_HIGH)
    handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))  # type: ignore[attr-defined]
    flags = ctypes.c_uint32(_FAIL_IMMEDIATELY | (0 if shared else _EXCLUSIVE))
    nothing, one = ctypes.c_uint32(0), ctypes.c_uint32(1)
    if _kernel32().LockFileEx(handle, flags, nothing, one, nothing, ctypes.byref(where)):
        return True
    if _last_error() in (_ERROR_LOCK_VIOLATION, _ERROR_IO_PENDING):
        return False
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def _runs_on_windows(pid: int) -> bool:
    library = _kernel32()
    library.OpenProcess.restype = ctypes.c_void_p
    handle = library.OpenProcess(
        ctypes.c_uint32(_QUERY_LIMITED_INFORMATION), 0, ctypes.c_uint32(pid)
    )
    if not handle:
        return _last_error() == _ERROR_ACCESS_DENIED
    code = ctypes.c_uint32()
    try:
        if not library.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code)):
            return True
        return code.value == _STILL_ACTIVE
    finally:
        library.CloseHandle(ctypes.c_void_p(handle))


def _memory_of_windows() -> int | None:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    if not _kernel32().GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.total_nbytes)
