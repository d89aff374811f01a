"""The folder that a target lies in, and the bytes of what is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from medroi.errors import InvalidArgument
from medroi.system import sync


@contextlib.contextmanager
def made_parent(target: Path) -> Iterator[None]:
    """Make the folders above `target`; where the body fails, those made here go again."""
    missing = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidArgument(f"{target}: {target.parent} cannot be a folder: {error}") from error
    try:
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    for folder in missing:
        sync(folder.parent)


def nbytes_in(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is neither."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
