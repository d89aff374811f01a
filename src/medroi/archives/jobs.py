"""One unit of work: a scan, or another file, from a tree into an archive.

`pack_job` is a function of its argument alone: any process of any machine that sees the tree and
the archive may run it, and it may run twice. What it writes is the same each time.
"""

from __future__ import annotations

import dataclasses
import errno
import functools
import os
import posixpath
import shutil
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from medroi.archives.hashing import SourceChanged, facts_in, sha256_of
from medroi.archives.places import Place, open_place
from medroi.archives.records import (
    COPIED,
    DUPLICATE,
    FAILED,
    STORED,
    FileFacts,
    Record,
    digest_of,
)
from medroi.archives.settings import Settings
from medroi.archives.trees import Tree, open_tree
from medroi.errors import AlreadyPacked, NoRoom, VerificationFailed
from medroi.peak_memory import peak_of
from medroi.scans.formats.names import printable

# Class of the error of a disk or a quota that is full: the run stops, since all else would fail.
DISK_FULL = "DiskFull"
# Suffix of a folder with a store for each volume of a series that is several.
SEVERAL = ".series"
# Suffix of a store that is an array alone, where others are groups: other names do not end with it.
ALONE = ".array.zarr"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """All that `pack_job` needs to know.

    Attributes
    ----------
    root : str
        The tree, a path or URL.
    path : str
        As in `Record`.
    kind : {"scan", "dicom", "file"}
        A scan file, a series of DICOM files, or a file that is copied as it is.
    files : tuple of str
        Names of the source's files, relative to the root. The first is what is packed.
    place : str
        The archive, a path or URL.
    target : str
        Name in it.
    settings : Settings
    place_options : mapping
        As in `open_place`.
    stored : mapping
        SHA-256 of scans of the same size that are stored with these settings, and their targets:
        where one is equal nothing is packed, and the record says "duplicate".
    listing : str
        As in `Record`.
    threads : int or None
        Of one scan; None is one for each core that this process may use.
    root_options : mapping
        As in `open_tree`.
    nbytes, mtime_ns : int
        What the tree said of the files when they were listed.
    copied_as : str
        Name in the archive of a scan that is packed already, which is copied as it is; that of the
        file by default.
    """

    root: str
    path: str
    kind: str
    files: tuple[str, ...]
    place: str
    target: str
    settings: Settings
    place_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    stored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    listing: str = ""
    threads: int | None = None
    root_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    nbytes: int = 0
    mtime_ns: int = 0
    copied_as: str = ""


def pack_job(job: Job) -> Record:
    """Pack or copy one source, bring it to its place, and read it back there.

    Whatever goes wrong is in the record; nothing is raised but what stops a program.

    Parameters
    ----------
    job : Job

    Returns
    -------
    Record
        Its state is "stored", "copied" or "duplicate" only after the bytes in the archive were
        read back, and the source had not changed meanwhile.
    """
    began = time.monotonic()
    try:
        record, peak_nbytes = peak_of(lambda: _done(job))
    except Exception as error:  # of any library that reads scans or reaches the place
        record, peak_nbytes = failed(job, error), None
    return dataclasses.replace(record, seconds=time.monotonic() - began, peak_nbytes=peak_nbytes)


def failed(job: Job, error: BaseException) -> Record:
    """The record of a job that an error ended."""
    text = " ".join(str(error).split()) or type(error).__name__
    is_full = isinstance(error, OSError) and error.errno in _FULL
    return _of_sources(
        job,
        state=FAILED,
        error_class=DISK_FULL if is_full else type(error).__name__,
        error=printable(text.replace(f"{job.root.rstrip('/')}/", "")),
    )


def ended(job: Job) -> Record:
    """The record of a job that took its process down, twice."""
    return _of_sources(
        job,
        state=FAILED,
        error_class="ProcessEnded",
        error="the process ended while it worked on this: a crash, or out of memory",
    )


def _of_sources(job: Job, **more: Any) -> Record:
    """A record with what the tree said of the source."""
    return Record(
        path=job.path,
        kind=job.kind,
        n_files=len(job.files),
        nbytes=job.nbytes,
        mtime_ns=job.mtime_ns,
        settings="" if job.kind == "file" else job.settings.token,
        listing=job.listing,
        **more,
    )


def _done(job: Job) -> Record:
    tree = open_tree(job.root, job.root_options)
    before = [tree.status(name) for name in job.files]
    job = dataclasses.replace(
        job,
        nbytes=sum(status.nbytes for status in before),
        mtime_ns=max(status.mtime_ns for status in before),
    )
    place = open_place(job.place, job.place_options)
    with tree.at_hand(job.files) as root:
        try:
            record = _stored(job, root, place)
        except Exception as error:
            raise _without(error, {f"{root}{os.sep}": ""}) from error
    if [tree.status(name) for name in job.files] != before:
        raise _changed(job)
    if not all(status.token for status in before):
        _read_again(job, tree, record)
    return record


def _read_again(job: Job, tree: Tree, record: Record) -> None:
    """Compare files of which the server says nothing but their size with those that were packed."""
    with tree.at_hand(job.files) as root:
        digests = [sha256_of(root / name) for name in job.files]
    if digests != [one.sha256 for one in record.sources]:
        raise _changed(job)


def _stored(job: Job, root: Path, place: Place) -> Record:
    sources = [root / name for name in job.files]
    if job.kind == "file":
        return _copied(job, sources[0], place)
    try:
        return _packed(job, sources, place)
    except AlreadyPacked:
        if len(sources) > 1:
            raise
        name = job.copied_as or posixpath.join(posixpath.dirname(job.target), sources[0].name)
        copy = dataclasses.replace(job, kind="file", target=name)
        return dataclasses.replace(
            _copied(copy, sources[0], place), notes=("a packed scan already, copied as it is",)
        )


def _changed(job: Job) -> SourceChanged:
    return SourceChanged(f"{job.path}: changed while it was read; the next run takes it up again")


def _copied(job: Job, source: Path, place: Place) -> Record:
    with place.scratch() as folder:
        copied = folder / "copy"
        shutil.copyfile(source, copied)
        stored = facts_in(copied)
        if sha256_of(source) != stored[0].sha256:
            raise _changed(job)
        place.put(copied, job.target, stored)
    return _of_sources(
        job,
        state=COPIED,
        sha256=stored[0].sha256,
        target=job.target,
        stored_nbytes=stored[0].nbytes,
        stored_sha256=stored[0].sha256,
        versions=_versions(),
    )


def _packed(job: Job, sources: list[Path], place: Place) -> Record:
    facts = _facts(job, sources)
    # Of several files, and of a series, the names are part of what they are.
    is_one = job.kind == "scan" and len(facts) == 1
    sha256 = facts[0].sha256 if is_one else _digest(facts)
    known = {"sha256": sha256, "files": () if is_one else facts}
    if sha256 in job.stored:
        return _of_sources(job, state=DUPLICATE, target=job.stored[sha256], **known)
    with place.scratch() as folder:
        source = sources[0] if job.kind == "scan" else _gathered(job, sources, folder)
        try:
            store, reports = _made(job, source, folder)
        except Exception as error:
            raise _named_for_the_source(error, source, sources[0], folder) from error
        if [one.sha256 for one in _facts(job, sources)] != [one.sha256 for one in facts]:
            raise _changed(job)
        stored = facts_in(store)
        target = posixpath.join(posixpath.dirname(job.target), store.name)
        place.put(store, target, stored)
    groups = [report["largest_dropped_group"] for report in reports]
    box = reports[0]["box"] if len(reports) == 1 else None
    return _of_sources(
        job,
        state=STORED,
        target=target,
        stored_nbytes=sum(one.nbytes for one in stored),
        stored_sha256=digest_of(stored),
        stored_files=stored,
        versions=_versions(),
        region=None if box is None else tuple(map(tuple, box)),
        kept_share=sum(one["n_kept"] for one in reports) / sum(one["n_voxels"] for one in reports),
        n_dropped_signal=sum(one["n_dropped_signal"] for one in reports),
        largest_dropped_group=max(0 if group is None else group["n_voxels"] for group in groups),
        notes=tuple(note for one in reports for note in one["notes"]),
        **known,
    )


def _made(job: Job, source: Path, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A store, or a folder of stores where a series is several volumes; and the reports."""
    from medroi.scans import pack
    from medroi.scans.dicom import find_series

    # Sidecars have a place of their own in the archive, where other programs find them.
    options: dict[str, Any] = {"threads": job.threads, "sidecars": False, **job.settings.pack}
    store, suffix = folder / os.path.basename(job.target), job.settings.suffix
    volumes = find_series(source) if job.kind == "dicom" else []

    def packed(store: Path, **chosen: Any) -> tuple[Path, dict[str, Any]]:
        try:
            return store, pack(source, store, **chosen, **options).to_json()
        except NoRoom:
            # Displacements and other scans of five axes or one, which no image of OME-Zarr has.
            alone = store.with_name(store.name.removesuffix(suffix) + ALONE)
            return alone, pack(source, alone, **chosen, **options).to_json()

    if len(volumes) < 2:
        store, report = packed(store)
        return store, [report]
    several = folder / (store.name.removesuffix(suffix) + SEVERAL)
    several.mkdir()
    return several, [
        packed(several / f"{one.volume.name}{suffix}", series=one)[1] for one in volumes
    ]


def stores_of(stored: Path) -> list[Path]:
    """The stores of a record: what it names, or what is in a folder of stores."""
    return sorted(stored.iterdir()) if stored.name.endswith(SEVERAL) else [stored]


def _facts(job: Job, sources: list[Path]) -> tuple[FileFacts, ...]:
    named = zip(job.files, sources, strict=True)
    return tuple(FileFacts(name, one.stat().st_size, sha256_of(one)) for name, one in named)


def _digest(facts: tuple[FileFacts, ...]) -> str:
    """Digest of several files, the same wherever their folder lies."""
    return digest_of(dataclasses.replace(one, name=one.name.rpartition("/")[2]) for one in facts)


def _gathered(job: Job, sources: list[Path], folder: Path) -> Path:
    """A folder with links to the files of a series, and nothing else."""
    series = folder / os.path.basename(os.path.dirname(job.files[0]) or "series")
    series.mkdir()
    for source in sources:
        (series / source.name).symlink_to(source)
    return series


def _named_for_the_source(
    error: Exception, packed: Path, source: Path, scratch: Path
) -> BaseException:
    """An error that names the source, and no folder that is gone when it is read."""
    # Links to a series stand where its files do; the longer name comes first.
    replaced = {f"{packed}": f"{source.parent}"} if packed != source else {}
    return _without(error, {**replaced, f"{scratch}{os.sep}": ""})


def _without(error: Exception, replaced: Mapping[str, str]) -> BaseException:
    """An error of the same kind, in whose text some names stand for others."""

    def renamed(text: str) -> str:
        for name, other in replaced.items():
            text = text.replace(name, other)
        return text

    text = renamed(str(error))
    if text == str(error):
        return error
    if isinstance(error, OSError) and error.errno is not None:
        names = [renamed(os.fsdecode(error.filename))] if error.filename else []
        return OSError(error.errno, renamed(error.strerror or ""), *names)
    try:
        return type(error)(text)
    except TypeError:
        return VerificationFailed(text)


@functools.cache
def _versions() -> dict[str, str]:
    # Metadata are files: a look at all of them takes 2 ms, which a tree has for every small file.
    found = {}
    for name in ("medroi", "numpy", "zarr"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
