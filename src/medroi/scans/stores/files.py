"""Files of a store, by the keys that Zarr gives them: in a folder, a zip file, behind a URL."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Protocol

from medroi.errors import CorruptStream, InvalidArgument


class Files(Protocol):
    """The files of a store, read by ranges. `medroi.zarr.remote` has those behind a URL."""

    def read(self, key: str, start: int = 0, nbytes: int | None = None) -> bytes | None:
        """Read a file, or some bytes of it; None where there is no such file.

        Parameters
        ----------
        key : str
            Of the file, with slashes.
        start : int
            Of the first byte; below 0 counted from the end.
        nbytes : int, optional
            At most so many; None is all that follows.
        """

    def nbytes(self, key: str) -> int | None:
        """The size of a file; None where there is none."""

    def names(self) -> set[str]:
        """The keys of all files."""


def nbytes_below(files: Files, prefix: str) -> int:
    """Bytes of all files whose keys begin so."""
    return sum(files.nbytes(key) or 0 for key in files.names() if key.startswith(prefix))


class Folder:
    """The files below a folder.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, key: str, start: int = 0, nbytes: int | None = None) -> bytes | None:
        """As of `Files`."""
        try:
            with (self._path / key).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size + start) if start < 0 else start)
                return file.read(-1 if nbytes is None else nbytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def nbytes(self, key: str) -> int | None:
        """As of `Files`."""
        try:
            return (self._path / key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self) -> set[str]:
        """As of `Files`."""
        return {
            Path(folder, name).relative_to(self._path).as_posix()
            for folder, _, names in os.walk(self._path)
            for name in names
        }


class Zipped:
    """The files of a zip file, which holds them as they are.

    Parameters
    ----------
    path : Path
        The zip file.

    Raises
    ------
    CorruptStream
        Where it is no zip file, or a damaged one.
    InvalidArgument
        Where its members are compressed: nothing in them could be read alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, tuple[int, int]] = {}
        with self._opened() as file:
            for member in file.infolist():
                if member.is_dir():
                    continue
                if member.compress_type != zipfile.ZIP_STORED:
                    raise InvalidArgument(
                        f"{path}: {member.filename} is compressed in the zip file; expected "
                        "members stored as they are (zip -0)"
                    )
                self._members[member.filename] = (member.header_offset, member.file_size)

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except zipfile.BadZipFile as error:
            raise CorruptStream(f"{self._path}: a damaged zip file ({error})") from error

    def read(self, key: str, start: int = 0, nbytes: int | None = None) -> bytes | None:
        """As of `Files`."""
        if key not in self._members:
            return None
        offset, size = self._members[key]
        first = max(0, size + start) if start < 0 else min(start, size)
        wanted = size - first if nbytes is None else min(nbytes, size - first)
        with self._path.open("rb") as file:
            file.seek(offset)
            header = file.read(_LOCAL_NBYTES)
            if len(header) < _LOCAL_NBYTES or header[:4] != b"PK\3\4":
                raise CorruptStream(f"{self._path}: {key} is not where the zip file says")
            names = int.from_bytes(header[26:28], "little") + int.from_bytes(
                header[28:30], "little"
            )
            file.seek(offset + _LOCAL_NBYTES + names + first)
            return file.read(wanted)

    def nbytes(self, key: str) -> int | None:
        """As of `Files`."""
        return self._members[key][1] if key in self._members else None

    def names(self) -> set[str]:
        """As of `Files`."""
        return set(self._members)


# Of the header before each member, up to its name.
_LOCAL_NBYTES = 30


def files_of(path: Path) -> Files:
    """The files of a store in a folder or a zip file."""
    return Zipped(path) if path.is_file() else Folder(path)


def is_zip(path: Path) -> bool:
    """Tell a zip file by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\3\4"
    except (OSError, IsADirectoryError):
        return False
