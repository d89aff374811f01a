"""Renames that are atomic, and files that outlive a power cut."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from medroi.system import UNSUPPORTED, sync

_AT_FDCWD = -100
# Name of the call of libc, and its flags for "only a new name" and "exchange both names".
_CALLS = {"linux": ("renameat2", 1, 2), "darwin": ("renamex_np", 4, 2)}
# From so many files on, one sync of everything first costs less than a wait for each of them.
_MANY_FILES = 256


def sync_tree(*paths: Path) -> None:
    """Wait until files, and folders with everything in them, are on the disk."""
    found: list[Path] = []
    for path in paths:
        inside = [Path(folder, name) for folder, _, names in os.walk(path) for name in ("", *names)]
        found += inside or [path]
    if len(found) > _MANY_FILES and hasattr(os, "sync"):
        os.sync()
    # One after the other: under a limit of memory, starting a thread may wait for ever.
    for item in reversed(found):
        sync(item)


def rename_new(source: Path, target: Path) -> bool:
    """Rename to a name that nothing has; False, and nothing done, where something has it."""
    call = _rename_call()
    if call is not None:
        code = call(source, target, exchange=False)
        if code == errno.EEXIST:
            return False
        if code not in UNSUPPORTED:
            return _done(code, source, target)
    if os.path.lexists(target):
        return False
    if source.is_dir():
        # Onto a folder that appears meanwhile this fails, unless that is still empty.
        source.rename(target)
        return True
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        source.rename(target)
        return True
    source.unlink()
    return True


def exchange(source: Path, target: Path) -> bool:
    """Give two things each other's name at once; False, and nothing done, where that cannot be."""
    call = _rename_call()
    if call is None:
        return False
    code = call(source, target, exchange=True)
    return code not in UNSUPPORTED and _done(code, source, target)


def _done(code: int, source: Path, target: Path) -> bool:
    if code:
        raise OSError(code, os.strerror(code), str(source), None, str(target))
    return True


@cache
def _rename_call() -> Any:
    """The system's rename with flags; None where it has none. It returns 0 or an errno."""
    known = _CALLS.get(sys.platform)
    function = getattr(ctypes.CDLL(None, use_errno=True), known[0], None) if known else None
    if function is None or known is None:
        return None
    flags = {False: ctypes.c_uint(known[1]), True: ctypes.c_uint(known[2])}

    def rename(source: Path, target: Path, *, exchange: bool) -> int:
        names = (os.fsencode(source), os.fsencode(target))
        if sys.platform == "linux":
            place = ctypes.c_int(_AT_FDCWD)
            failed = function(place, names[0], place, names[1], flags[exchange])
        else:
            failed = function(*names, flags[exchange])
        return ctypes.get_errno() if failed else 0

    return rename
