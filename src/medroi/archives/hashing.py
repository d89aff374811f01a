"""Digests of files and stores on a disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from medroi.archives.records import FileFacts
from medroi.errors import MedROIError

_BLOCK_NBYTES = 1 << 20


class SourceChanged(MedROIError):
    """A file that changed while it was read; the next run takes it up again."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    total = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK_NBYTES):
            total.update(block)
    return total.hexdigest()


def facts_in(store: Path) -> tuple[FileFacts, ...]:
    """Facts of every file of a store, by name; a store that is one file has the name ``""``."""
    if not store.is_dir():
        return (FileFacts("", store.stat().st_size, sha256_of(store)),)
    found = []
    for folder, _, names in os.walk(store):
        for name in names:
            file = Path(folder, name)
            relative = file.relative_to(store).as_posix()
            found.append(FileFacts(relative, file.stat().st_size, sha256_of(file)))
    return tuple(sorted(found, key=lambda one: one.name))
