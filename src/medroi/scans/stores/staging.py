"""Putting finished files in place, in one step that holds through kills and power cuts.

What is written lies in a private folder beside its target, ``.NAME.XXXXXXXX.partial``, until it is
complete and on the disk; then it gets its name by one rename. Files that are written together share
one in each folder, named after the first of them: each private folder is an open file, of which a
process has only so many. Where a folder replaces another the two change names at once. A file
system that cannot do that sees two renames: a kill in between leaves the old folder in the private
one, from where the next command brings it back.

The private folder is locked while its process lives, so that what a killed process left behind can
be distinguished from what another is writing.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from medroi.errors import InvalidArgument
from medroi.scans.stores.durable import exchange, rename_new, sync_tree
from medroi.system import open_folder, sync, try_lock

_SUFFIX = ".partial"
_NEW, _OLD = "new", "old"
# The name of a private folder: its prefix, and what `mkdtemp` put behind that.
_PRIVATE = re.compile(r"(\..+\.)[a-z0-9_]{8}" + re.escape(_SUFFIX), re.DOTALL)
# What writing alone meets: a full disk, a quota, a limit of the size of files.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Of the 255 bytes that file systems have for a name.
_MAX_NAME_NBYTES = 200

Identity = tuple[int, ...] | None


class _NoLocks(OSError):
    """A file system without locks."""


@contextlib.contextmanager
def staged(target: Path, *, force: bool, may_replace: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a path beside `target` to write to, and rename it to `target` at the end.

    Nothing is left when the body fails, and an existing target stays as it was until then. A
    symbolic link stays: what it points to is replaced.

    Raises
    ------
    InvalidArgument
        Where the target must not be replaced, or was changed by others while the body ran.
    """
    with staged_together([target], force=force, may_replace=may_replace) as (fresh,):
        yield fresh


@contextlib.contextmanager
def staged_together(
    targets: Sequence[Path], *, force: bool, may_replace: Callable[[Path], bool]
) -> Iterator[list[Path]]:
    """As `staged`, of any number of files; those of one folder share a private one beside them."""
    for target in targets:
        if not target.parent.is_dir():
            raise InvalidArgument(f"{target}: the folder {target.parent} does not exist")
    places = [Path(os.path.realpath(target)) for target in targets]
    in_folder: dict[Path, list[Path]] = {}
    for place in places:
        in_folder.setdefault(place.parent, []).append(place)
    for members in in_folder.values():
        _recover_all(members)
    before = [_identity(place) for place in places]
    for place, identity in zip(places, before, strict=True):
        if identity is not None:
            _check_replaceable(place, force, may_replace)
    with contextlib.ExitStack() as stack:
        private = {
            folder: stack.enter_context(workspace(members[0]))
            for folder, members in in_folder.items()
        }
        fresh = [
            private[place.parent] / f"{_NEW}{index or ''}" for index, place in enumerate(places)
        ]
        yield fresh
        _check_there(private.values())
        # In the private folder of somebody else, who waits for the disk before it leaves that.
        is_private = any(_PRIVATE.fullmatch(name) for name in places[0].parent.parts)
        if not is_private:
            sync_tree(*fresh)
        for path, place, identity, target in reversed(
            list(zip(fresh, places, before, targets, strict=True))
        ):
            if _identity(place) != identity:
                raise _meanwhile(target)
            if identity is None:
                if not rename_new(path, place):
                    raise _meanwhile(target)
            else:
                _check_replaceable(place, force, may_replace)
                _replace(path, place)
        if not is_private:
            for folder in in_folder:
                sync(folder)


def _check_replaceable(target: Path, force: bool, may_replace: Callable[[Path], bool]) -> None:
    if not force:
        raise InvalidArgument(f"{target} exists; --force (force=True) replaces it")
    if not may_replace(target):
        raise InvalidArgument(
            f"{target} exists and is not something this command writes; remove it yourself"
        )


def _check_there(folders: Iterable[Path]) -> None:
    """Refuse private folders that are gone: what was written into them is nowhere."""
    for folder in folders:
        if not folder.is_dir():
            raise InvalidArgument(
                f"{folder}: this folder was deleted by something else while it was written to (by "
                "what clears temporary files?); nothing is put in place. Try again, or write "
                "elsewhere"
            )


def _meanwhile(target: Path) -> InvalidArgument:
    return InvalidArgument(
        f"{target} was made or changed by something else meanwhile; it is kept. Try again"
    )


def _identity(path: Path) -> Identity:
    """Identity and times of a file or folder, which change with its content; None for nothing."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _replace(fresh: Path, target: Path) -> None:
    shutil.copymode(target, fresh)
    if not fresh.is_dir():
        os.replace(fresh, target)
    elif not exchange(fresh, target):
        old = fresh.with_name(_OLD)
        target.rename(old)
        try:
            fresh.rename(target)
        except BaseException:
            old.rename(target)
            raise


@contextlib.contextmanager
def workspace(target: Path) -> Iterator[Path]:
    """Give a private folder beside `target`; it is gone at the end.

    What a killed process left there for the same target goes too.
    """
    recover(target)
    folder, lock = None, None
    try:
        folder, lock = _made(target)
        yield folder
    except BaseException as error:
        # Threads of libraries may still be writing there, until the process ends.
        atexit.register(recover, target)
        if isinstance(error, OSError) and folder is not None and _is_of_writing(error, folder):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        _unlock(lock)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _is_of_writing(error: OSError, folder: Path) -> bool:
    """Whether an error is about what is written, and names no file or one of a private folder."""
    if error.filename is None:
        return error.errno in _NO_ROOM
    return isinstance(error.filename, str) and Path(error.filename).is_relative_to(folder)


def _made(target: Path) -> tuple[Path, int | None]:
    """Make a private folder and lock it, where the file system has locks."""
    while True:
        try:
            made = tempfile.mkdtemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        except OSError as error:
            # Nobody knows the name of a private folder.
            raise OSError(error.errno, os.strerror(error.errno or 0), str(target)) from error
        folder = Path(made)
        try:
            lock = _locked(folder)
        except _NoLocks:
            # Then nothing is ever taken for left behind either.
            return folder, None
        except OSError:
            # Without its lock, for want of open files, another process would take it for that.
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise
        # Between its making and its lock another process may have taken it for left behind.
        if lock is not None and folder.is_dir():
            return folder, lock
        _unlock(lock)


def _prefix(target: Path) -> str:
    """The start of the names of private folders; a long name would leave no room behind it."""
    name = target.name
    if len(os.fsencode(name)) > _MAX_NAME_NBYTES:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


def recover(target: Path) -> None:
    """Clear away what killed processes left beside a target; bring back what they had moved.

    Folders that another process still works in, and those that must not be touched, stay.
    """
    _recover_all([target])


def _recover_all(targets: Sequence[Path]) -> None:
    """Do as `recover` for targets that lie in one folder, which is listed once."""
    parent = targets[0].parent
    target_of = {_prefix(target): target for target in targets}
    try:
        names = os.listdir(parent)
    except OSError:
        return
    for name in names:
        match = _PRIVATE.fullmatch(name)
        target = target_of.get(match[1]) if match else None
        if target is None:
            continue
        folder = parent / name
        with contextlib.suppress(OSError):
            lock = _locked(folder)
            if lock is None:
                continue
            try:
                if (folder / _OLD).exists() and rename_new(folder / _OLD, target):
                    sync(parent)
            finally:
                _unlock(lock)
            shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path) -> int | None:
    """Lock a folder for as long as the descriptor is open; None where another process has it."""
    try:
        descriptor = open_folder(folder)
    except FileNotFoundError:
        return None
    try:
        if try_lock(descriptor):
            return descriptor
    except OSError as error:
        os.close(descriptor)
        raise _NoLocks(*error.args) from error
    os.close(descriptor)
    return None


def _unlock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
