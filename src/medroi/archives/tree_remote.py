"""A tree behind a URL: an object store, or a web server that lists its folders.

A folder is listed by one request. Of a file whose name does not say what it is the first bytes are
read, of DICOM what stands before the pixels. The files of a scan are copied to a folder for
temporary files when it is packed, and are gone afterwards.

Nothing here is a link, but a server may follow links of its own: a folder with the very listing of
one that it lies in is taken for a loop and not walked.
"""

from __future__ import annotations

import calendar
import contextlib
import errno
import hashlib
import html
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from medroi.archives.companions import HEADER_SUFFIXES
from medroi.archives.items import (
    OURS,
    VERSION_CONTROL,
    File,
    Folder,
    Item,
    Names,
    SkipSeries,
    Status,
    items_of,
    joined,
    order,
    unreadable,
)
from medroi.archives.urls import Unreachable, at_once, files_of, reaching, without_secrets
from medroi.errors import InvalidArgument, MedROIError
from medroi.scans.dicom.bytes import read_dataset
from medroi.scans.dicom.files import says_image
from medroi.scans.formats.names import printable
from medroi.scans.stores.staging import workspace

# Requests at a time while a tree is looked at: the server answers, this process waits.
_REQUESTS = 16
# What tells the kind of a file; the text headers that name a data file are shorter.
_BEGIN_NBYTES = 1 << 12
_TEXT_NBYTES = 1 << 16
# Private elements of a scanner may take a hundred thousand bytes.
_DICOM_NBYTES, _GROWTH = 1 << 18, 16
_BLOCK_NBYTES = 1 << 22
_DEEPEST = 100
# Folders that are listed once more where a server may have them within themselves.
_MAX_REPEATED = 1000
_TOKENS = ("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "content_settings_md5", "ino")
_TIMES = ("LastModified", "last_modified", "Last-Modified", "updated", "mtime", "created")


class NoRoom(MedROIError):
    """A disk without room for the files of one scan."""


@dataclass(frozen=True)
class _Entry:
    """One line of a listing."""

    name: str
    is_folder: bool
    status: Status
    problem: str = ""


@dataclass(frozen=True)
class _RemoteFolder(Folder):
    """A folder, and the listings of those that it lies in, itself aside."""

    above: tuple[bytes, ...] = ()


class RemoteTree:
    """A prefix of an object store, or a folder of a web server; see `Tree`."""

    is_local = False

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.address = url.rstrip("/")
        self.name = self.url = without_secrets(self.address)
        self._files, self._root = files_of(self.address, options)
        self._is_http = self._root.startswith(("http://", "https://"))

    def _at(self, path: str) -> str:
        shown = quote(path) if self._is_http else path
        return joined(self._root, shown) if path else self._root

    def check(self) -> None:
        """See `Tree`."""
        try:
            found = self._listed("")
        except (OSError, MedROIError) as error:
            raise InvalidArgument(
                f"{self.url}: cannot be listed ({' '.join(str(error).split())}); expected a folder "
                "of an object store, or a web server that lists its folders"
            ) from error
        if not found:
            raise InvalidArgument(
                f"{self.url}: nothing is listed there; expected a folder with scans"
            )

    def items(self, suffix: str, skip_series: SkipSeries | None = None) -> Iterator[Item]:
        """See `Tree`."""
        stack = [_RemoteFolder("", "")]
        while stack:
            folder = stack.pop()
            try:
                entries = self._listed(folder.path)
            except (OSError, MedROIError) as error:
                yield unreadable(folder.path, error)
                continue
            listing = _digest_of(entries)
            n_above = folder.above.count(listing)
            if n_above > _most_repeats(entries) or len(folder.above) >= _DEEPEST:
                text = (
                    f"{printable(folder.path)}: lists what a folder above it lists: a link of the "
                    "server, or a copy; what is in it is not read again"
                )
                yield Item(folder.path, "folder", text=text, error_class="FolderLoop")
                continue
            above = (*folder.above, listing)
            inside = Names(() if folder.path else OURS)
            files, deeper = [], []
            for one in entries:
                path = joined(folder.path, one.name)
                if one.problem:
                    yield Item(path, "file", text=one.problem, error_class="NoSuchName", n_files=1)
                elif one.is_folder and one.name in VERSION_CONTROL:
                    yield self._version_control(path)
                elif one.is_folder:
                    target = joined(folder.target, inside.own(one.name))
                    deeper.append(_RemoteFolder(path, target, above))
                else:
                    files.append(File(path, one.name, one.status))
            stack += reversed(deeper)
            with _Headers(self, files) as headers:
                yield from items_of(folder, files, inside, suffix, headers, skip_series)

    @reaching
    def read(self, path: str) -> bytes | None:
        """See `Tree`."""
        try:
            return bytes(self._files.cat_file(self._at(path)))
        except FileNotFoundError:
            return None

    @reaching
    def status(self, path: str) -> Status:
        """See `Tree`."""
        try:
            info = self._files.info(self._at(path))
        except FileNotFoundError as error:
            shown = f"{self.url}/{path}"
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), shown) from error
        return _status_of(info, path)

    @contextlib.contextmanager
    def at_hand(self, paths: Sequence[str]) -> Iterator[Path]:
        """See `Tree`."""
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        with workspace(Path(tempfile.gettempdir()) / f"medroi-source-{digest}") as folder:
            sizes = at_once(lambda path: self.status(path).nbytes, paths, _REQUESTS)
            free_nbytes = shutil.disk_usage(folder).free
            if sum(sizes) > free_nbytes:
                raise NoRoom(
                    f"{printable(paths[0])}: has {sum(sizes)} bytes with the files that belong to "
                    f"it, found room for {free_nbytes} in {folder.parent}: free some, or name "
                    "another folder in TMPDIR"
                )
            announced = list(zip(paths, sizes, strict=True))
            at_once(lambda one: self._fetch(one[0], folder / one[0], one[1]), announced, _REQUESTS)
            yield folder

    @reaching
    def _fetch(self, path: str, local: Path, nbytes: int) -> None:
        local.parent.mkdir(parents=True, exist_ok=True)
        self._files.get_file(self._at(path), os.fspath(local))
        found = local.stat().st_size
        if found != nbytes:
            raise Unreachable(
                f"{printable(path)}: found {found} bytes, its server announced {nbytes}; it was "
                "cut off or changed meanwhile"
            )

    @reaching
    def copy_begin(self, path: str, local: Path, nbytes: int) -> None:
        """Copy the first bytes of a file; a server that knows no ranges sends little more."""
        at, block_nbytes = self._at(path), min(nbytes, _BLOCK_NBYTES) or 1
        with (
            self._files.open(at, "rb", block_size=block_nbytes, cache_type="none") as source,
            open(local, "wb") as target,
        ):
            while nbytes and (block := source.read(min(nbytes, block_nbytes))):
                target.write(block)
                nbytes -= len(block)

    @reaching
    def _listed(self, folder: str) -> list[_Entry]:
        """A folder, by name."""
        at = self._at(folder)
        # A web server names a folder by a slash at its end.
        found = self._files.ls(f"{at}/" if self._is_http else at, detail=True)
        infos: dict[tuple[str, bool], Mapping[str, Any]] = {}
        for info in found:
            name = self._name_in(at, str(info["name"]))
            is_folder = info.get("type") == "directory"
            if name is not None:
                infos[name, is_folder] = info
        if self._is_http:
            files = [name for name, is_folder in infos if not is_folder]
            looked = at_once(lambda name: self._looked(joined(folder, name)), files, _REQUESTS)
            infos.update({(name, False): one for name, one in zip(files, looked, strict=True)})
        entries = [_entry(name, is_folder, info) for (name, is_folder), info in infos.items()]
        return sorted(entries, key=lambda one: (order(one.name), one.is_folder))

    def _looked(self, path: str) -> Mapping[str, Any]:
        """The facts of one file from its server; of one that it does not give, why."""
        try:
            return dict(self._files.info(self._at(path)))
        except Exception as error:  # each kind of store has errors of its own
            return {"problem": " ".join(str(error).split()) or type(error).__name__}

    def _name_in(self, folder: str, found: str) -> str | None:
        """The name of what a listing has; None of the folder itself and of what is not in it."""
        if self._is_http:
            found = html.unescape(found)
            if "?" in found or "#" in found:
                return None  # the links that sort a listing
        inside = found.rstrip("/") if not found.endswith("//") else found[:-1]
        if not inside.startswith(f"{folder}/"):
            return None
        name = inside[len(folder) + 1 :]
        if self._is_http:
            name = unquote(name)
            return None if "/" in name or name in ("", ".", "..") else name
        return name or None

    def _version_control(self, path: str) -> Item:
        try:
            count = len(self._found(path))
        except (OSError, MedROIError) as error:
            return unreadable(path, error)
        return Item(path, "listed", n_files=count, text="version control")

    @reaching
    def _found(self, path: str) -> list[str]:
        return list(self._files.find(self._at(path)))


class _Headers:
    """First bytes of the files of one folder, in a folder for temporary files; see `Headers`.

    A file that the server does not give is not there: what reads it says so.
    """

    def __init__(self, tree: RemoteTree, files: Sequence[File]) -> None:
        self._tree = tree
        self._nbytes = {file.path: file.status.nbytes for file in files}
        self._have: dict[str, int] = {}

    def __enter__(self) -> _Headers:
        self._folder = tempfile.TemporaryDirectory(prefix="medroi-headers-")
        self.top = Path(self._folder.name)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def begins(self, paths: Sequence[str]) -> None:
        """See `Headers`."""
        texts = [path for path in paths if path.lower().endswith(HEADER_SUFFIXES)]
        self._bring(texts, _TEXT_NBYTES)
        self._bring([path for path in paths if path not in self._have], _BEGIN_NBYTES)

    def dicom(self, paths: Sequence[str]) -> None:
        """See `Headers`."""
        nbytes, cut = _DICOM_NBYTES, list(paths)
        while cut:
            self._bring(cut, nbytes)
            nbytes *= _GROWTH
            cut = [path for path in cut if self._is_cut(path)]

    def _is_cut(self, path: str) -> bool:
        """Whether more of a file has to be read before one can say what it is."""
        if self._have[path] >= self._nbytes[path]:
            return False
        try:
            header = read_dataset(self.top / path, ("Rows", "SOPClassUID"))
            return header.get("Rows") is None and says_image(header)
        except Exception:  # pydicom raises whatever a header that is cut off provokes
            return True

    def _bring(self, paths: Sequence[str], nbytes: int) -> None:
        wanted = {path: min(nbytes, self._nbytes[path]) for path in paths}
        wanted = {path: n for path, n in wanted.items() if self._have.get(path, -1) < n}
        for path in wanted:
            (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        at_once(lambda path: self._brought(path, wanted[path]), list(wanted), _REQUESTS)
        self._have.update(wanted)

    def _brought(self, path: str, nbytes: int) -> None:
        local = self.top / path
        try:
            self._tree.copy_begin(path, local, nbytes)
        except (OSError, MedROIError):
            local.unlink(missing_ok=True)


def _entry(name: str, is_folder: bool, info: Mapping[str, Any]) -> _Entry:
    problem = str(info.get("problem", ""))
    if name in (".", "..") or "/" in name or "\0" in name:
        problem = "a name that no folder has"
        name = quote(name, safe="").replace(".", "%2E")
    if is_folder:
        return _Entry(name, True, Status(0, 0), problem)
    try:
        return _Entry(name, False, _status_of(info, name), problem)
    except Unreachable as error:
        return _Entry(name, False, Status(0, 0), problem or str(error))


def _most_repeats(entries: Sequence[_Entry]) -> int:
    """Number of folders above one that may have its very listing before that is a loop.

    A folder of folders alone may well have the names of the one that it lies in. In a loop each
    repeat takes as many requests as there are folders, for every request before it.
    """
    if any(not one.is_folder for one in entries):
        return 0
    return max(1, int(math.log(_MAX_REPEATED, max(2, len(entries)))))


def _status_of(info: Mapping[str, Any], path: str) -> Status:
    """Status of a file, the same from a listing and from a request for that file."""
    size = info.get("size")
    if not isinstance(size, int):
        raise Unreachable(f"{printable(path)}: its server does not say how many bytes it has")
    time = next((info[name] for name in _TIMES if info.get(name)), None)
    tokens = [str(info[name]).strip('"') for name in _TOKENS if info.get(name)]
    # Seconds alone: a listing may have more of them than the answer for one file.
    return Status(size, _seconds_of(time) * 10**9, tokens[0] if tokens else str(time or ""))


def _seconds_of(time: Any) -> int:
    """Seconds of a time in any of the forms that servers have; 0 where it is none."""
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if isinstance(time, (int, float)):
            return int(time)
        if isinstance(time, str):
            is_iso = time[:1].isdigit()
            time = datetime.fromisoformat(time) if is_iso else parsedate_to_datetime(time)
        if isinstance(time, datetime):
            return calendar.timegm(time.astimezone(UTC).timetuple())
    return 0


def _digest_of(entries: Sequence[_Entry]) -> bytes:
    """Digest of a listing, the same wherever its folder lies."""
    return hashlib.sha256(repr(list(entries)).encode("utf-8", "surrogatepass")).digest()
