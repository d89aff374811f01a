"""An archive in a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medroi.archives.hashing import sha256_of
from medroi.archives.places import OWN
from medroi.archives.records import FileFacts
from medroi.errors import CorruptStream, VerificationFailed
from medroi.scans.stores.durable import exchange, rename_new, sync_tree
from medroi.scans.stores.staging import recover, workspace
from medroi.system import sync


class LocalPlace:
    """A folder; see `Place`. Stores are made within it and get their names by one rename."""

    is_local = True

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self.url = self.address = str(self.folder)

    def names(self, folder: str) -> list[str]:
        """See `Place`."""
        try:
            return sorted(os.listdir(self.folder / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def exists(self, name: str) -> bool:
        """See `Place`."""
        return os.path.lexists(f"{self.url}/{name}")

    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def fetch(self, name: str, local: Path) -> bool:
        """See `Place`."""
        try:
            shutil.copyfile(self.folder / name, local)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def write(self, name: str, data: bytes) -> None:
        """See `Place`."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.scratch() as folder:
            half = folder / "file"
            half.write_bytes(data)
            sync(half)
            half.replace(target)
        sync(target.parent)

    def create(self, name: str, data: bytes) -> bool:
        """See `Place`."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(target, "xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        sync(target)
        return True

    def put(self, local: Path, name: str, files: Iterable[FileFacts]) -> None:
        """See `Place`."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        for one in files:
            file = local / one.name if one.name else local
            if file.stat().st_size != one.nbytes or sha256_of(file) != one.sha256:
                raise VerificationFailed(f"{name}: {one.name or 'the file'} was not read back")
        sync_tree(local)
        if not rename_new(local, target) and not exchange(local, target):
            if local.is_dir() or target.is_dir():
                self.remove(name)
            os.replace(local, target)
        sync(target.parent)

    @contextmanager
    def at_hand(self, name: str, files: Iterable[FileFacts]) -> Iterator[Path]:
        """See `Place`."""
        source = self.folder / name
        for one in files:
            found = source / one.name if one.name else source
            if not found.is_file():
                raise CorruptStream(f"{found}: is not there any more")
            if found.stat().st_size != one.nbytes or sha256_of(found) != one.sha256:
                raise CorruptStream(f"{found}: not the bytes that were stored")
        yield source

    def remove(self, name: str) -> None:
        """See `Place`."""
        target = self.folder / name
        if target.is_dir() and not target.is_symlink():
            # Renamed first, so that no half of it is ever taken for a store.
            with self.scratch() as folder:
                target.rename(folder / "removed")
        else:
            target.unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `Place`."""
        target = self._scratch_name()
        target.parent.mkdir(parents=True, exist_ok=True)
        with workspace(target) as folder:
            yield folder

    def clear_scratch(self) -> None:
        """See `Place`."""
        recover(self._scratch_name())

    def _scratch_name(self) -> Path:
        return self.folder / OWN / "work" / "scan"
