"""An archive in an object store, or wherever else fsspec reads and writes."""

from __future__ import annotations

import hashlib
import itertools
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medroi.archives.places import metadata_last
from medroi.archives.records import FileFacts
from medroi.archives.urls import at_once, files_of, reaching, without_secrets
from medroi.errors import CorruptStream, VerificationFailed
from medroi.scans.stores.staging import recover, workspace

_BLOCK_NBYTES = 1 << 22
# Of one scan at a time.
_REQUESTS = 8


class RemotePlace:
    """A prefix of an object store; see `Place`.

    An object appears completely or not at all. A store is many objects: its metadata is written
    last and removed first, so that without all of it there is no store. Stores are made on the
    machine's own disk, in the folder for temporary files.
    """

    is_local = False

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.address = url.rstrip("/")
        self.url = without_secrets(self.address)
        self._options = options
        self._files, self._root = files_of(self.address, options)

    def __reduce__(self) -> Any:
        return (RemotePlace, (self.address, self._options))

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @reaching
    def names(self, folder: str) -> list[str]:
        """See `Place`."""
        try:
            found = self._files.ls(self._at(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(posixpath.basename(name.rstrip("/")) for name in found)

    @reaching
    def exists(self, name: str) -> bool:
        """See `Place`."""
        return bool(self._files.exists(self._at(name)))

    @reaching
    def read(self, name: str) -> bytes | None:
        """See `Place`."""
        try:
            return bytes(self._files.cat_file(self._at(name)))
        except FileNotFoundError:
            return None

    @reaching
    def fetch(self, name: str, local: Path) -> bool:
        """See `Place`."""
        try:
            with self._files.open(self._at(name), "rb") as source, open(local, "wb") as target:
                shutil.copyfileobj(source, target, _BLOCK_NBYTES)
        except FileNotFoundError:
            return False
        return True

    @reaching
    def write(self, name: str, data: bytes) -> None:
        """See `Place`."""
        self._files.pipe_file(self._at(name), data)

    @reaching
    def create(self, name: str, data: bytes) -> bool:
        """See `Place`."""
        if self.exists(name):
            return False
        try:
            self._files.pipe_file(self._at(name), data, mode="create")
        except FileExistsError:
            return False
        except (TypeError, NotImplementedError):
            # A store without conditional writes: two that begin in the same moment both go on.
            self._files.pipe_file(self._at(name), data)
        return True

    @reaching
    def put(self, local: Path, name: str, files: Iterable[FileFacts]) -> None:
        """See `Place`."""
        ordered = metadata_last(files)
        if local.is_dir():
            self._remove_objects(self._found(name))

        def send(one: FileFacts) -> None:
            source = local / one.name if one.name else local
            self._files.put_file(str(source), self._of(name, one))

        def read_back(one: FileFacts) -> None:
            if self._digest(self._of(name, one), one.nbytes) != (one.nbytes, one.sha256):
                raise VerificationFailed(
                    f"{self.url}/{name}: {one.name or 'the file'} was not read back as written"
                )

        everything = list(itertools.chain(*ordered))
        try:
            for together in ordered:
                at_once(send, together, _REQUESTS)
            at_once(read_back, everything, _REQUESTS)
        except BaseException:
            self._unmake(name, everything)
            raise

    def _of(self, name: str, one: FileFacts) -> str:
        return self._at(f"{name}/{one.name}" if one.name else name)

    def _unmake(self, name: str, files: list[FileFacts]) -> None:
        for one in reversed(files):
            try:
                self._files.rm_file(self._of(name, one))
            except Exception:  # whatever failed before may fail again; the journal has no record
                return

    def _found(self, name: str) -> list[str]:
        try:
            return [str(one) for one in self._files.find(self._at(name))]
        except FileNotFoundError:
            return []

    def _remove_objects(self, found: list[str]) -> None:
        ordered = metadata_last(FileFacts(one, 0, "") for one in found)
        for one in reversed(list(itertools.chain(*ordered))):
            self._files.rm_file(one.name)

    def _digest(
        self, at: str, expected_nbytes: int, write: Callable[[bytes], Any] | None = None
    ) -> tuple[int, str] | None:
        """Size and SHA-256 of an object, whose bytes are given on; None where there is none."""
        total, nbytes = hashlib.sha256(), 0
        try:
            for block in self._blocks(at, expected_nbytes):
                total.update(block)
                nbytes += len(block)
                if write is not None:
                    write(block)
        except FileNotFoundError:
            return None
        return nbytes, total.hexdigest()

    def _blocks(self, at: str, expected_nbytes: int) -> Iterator[bytes]:
        """The bytes of an object; a small one by a single request."""
        if expected_nbytes <= _BLOCK_NBYTES:
            yield bytes(self._files.cat_file(at))
            return
        with self._files.open(at, "rb", block_size=_BLOCK_NBYTES) as file:
            while block := file.read(_BLOCK_NBYTES):
                yield block

    @contextmanager
    def at_hand(self, name: str, files: Iterable[FileFacts]) -> Iterator[Path]:
        """See `Place`."""
        with self.scratch() as folder:
            local = folder / posixpath.basename(name)
            self._fetch(name, files, local)
            yield local

    @reaching
    def _fetch(self, name: str, files: Iterable[FileFacts], local: Path) -> None:
        for one in files:
            copied = local / one.name if one.name else local
            copied.parent.mkdir(parents=True, exist_ok=True)
            at = self._of(name, one)
            with open(copied, "wb") as target:
                found = self._digest(at, one.nbytes, target.write)
            if found is None:
                raise CorruptStream(f"{at}: is not there any more")
            if found != (one.nbytes, one.sha256):
                raise CorruptStream(f"{at}: not the bytes that were stored")

    @reaching
    def remove(self, name: str) -> None:
        """See `Place`."""
        self._remove_objects(self._found(name))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """See `Place`."""
        with workspace(self._scratch_name()) as folder:
            yield folder

    def clear_scratch(self) -> None:
        """See `Place`."""
        recover(self._scratch_name())

    def _scratch_name(self) -> Path:
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"medroi-archive-{digest}"
