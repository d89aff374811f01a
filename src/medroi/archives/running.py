"""A whole run: a tree in, an archive out."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from medroi.archives import engines, manifest
from medroi.archives.duplicates import described, hand_over, merge_duplicates
from medroi.archives.jobs import DISK_FULL, Job
from medroi.archives.journals import Journal
from medroi.archives.locks import locked
from medroi.archives.marker import claim
from medroi.archives.place_local import LocalPlace
from medroi.archives.places import Place, open_place
from medroi.archives.planning import Plan, Planner
from medroi.archives.progress import Progress
from medroi.archives.records import DUPLICATE, FAILED, IN_DST, STORED, Record
from medroi.archives.report import write_report
from medroi.archives.restore import holder_of
from medroi.archives.settings import Settings
from medroi.archives.summary import ArchiveReport, summary_of
from medroi.archives.tree_local import LocalTree
from medroi.archives.trees import Tree, open_tree
from medroi.errors import InvalidArgument, MedROIError
from medroi.values import n_available_cores

_PART = re.compile(r"([1-9]\d*)/([1-9]\d*)")


def archive(
    source: str | Path,
    place: str | Path,
    *,
    jobs: int = 1,
    scheduler: Any = None,
    part: str | None = None,
    others: str = "copy",
    dry_run: bool = False,
    report: str | Path | None = None,
    moved: bool = False,
    rehash: bool = False,
    progress: bool = False,
    place_options: Mapping[str, Any] | None = None,
    source_options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> ArchiveReport:
    """Pack every scan of a tree into an archive, copy what else is there, and account for all.

    A second run does what is missing, changed or failed, and nothing else. It may be stopped at
    any moment.

    Parameters
    ----------
    source : path or URL
        A folder with scans: BIDS, folders of NIfTI and other scan files, DICOM studies. Behind a
        URL that fsspec lists (``s3://``, ``https://`` with pages of links) the files of a scan are
        copied to the folder for temporary files while it is packed.
    place : path or URL
        The archive: a folder, made if it is not there, or a URL of fsspec, such as
        ``s3://bucket/prefix``.
    jobs : int
        Processes of this machine; 1 is this process alone, 0 one for each core, or two where
        `place` or `source` is a URL: while one waits for the network the other codes.
    scheduler : str or distributed.Client, optional
        Address or file of a scheduler of dask.distributed, or a client: its workers do the work.
        They have to see `source` and `place` under the same names.
    part : str, optional
        ``"I/N"``: the I-th of N parts of the tree, which may run side by side, on any machines. A
        run without it, when all are done, does what they left and writes the manifest.
    others : {"copy", "list"}
        What becomes of files that are no scans.
    dry_run : bool
        Look at the tree, say what would be done, and write nothing.
    report : path, optional
        A page in HTML about the archive.
    moved : bool
        Take `source` for the tree that was archived here before, though it has another path.
    rehash : bool
        Read every file to see whether it changed, also where size and time are the same.
    progress : bool
        Show progress on a terminal.
    place_options, source_options : mapping, optional
        Options of fsspec's file system, for `place` and for `source`.
    **settings
        As in `medroi.scans.pack`: lossless, roi, inner, air, ...; `memory` is for each process.

    Returns
    -------
    ArchiveReport

    Raises
    ------
    InvalidArgument
        For a tree or a place that cannot be used.
    InUse
        Where another run works on the same archive.
    MedROIError
        Where the disk is full, or the scheduler went away. What was done is recorded.
    """
    began = time.monotonic()
    tree = open_tree(os.fspath(source), source_options)
    opened = open_place(os.fspath(place), place_options)
    _check(tree, opened, place_options, source_options)
    chosen = Settings(settings, others)
    share = None if part is None else _part_of(part)
    label = "" if share is None else f"-part-{share[0]}-of-{share[1]}"
    if dry_run:
        with Journal(opened, writes=False) as journal:
            plan = _plan(tree, opened, journal, chosen, share, rehash=rehash)[1]
            return summary_of(plan, Counter(one.state for one in plan.records), began)
    claim(opened, tree.name, moved=moved)
    with locked(opened, label), Journal(opened, label) as journal:
        opened.clear_scratch()
        planner, plan = _plan(tree, opened, journal, chosen, share, rehash=rehash)
        counted: Counter[str] = Counter()
        replaced: set[str] = set()
        for record in plan.records:
            replaced.add(_keep(journal, counted, record))
        options = (dict(place_options or {}), dict(source_options or {}))
        root = tree.name if tree.is_local else os.fspath(source)
        todo = (planner.job(item, root, opened.address, *options) for item in plan.todo)
        waits = not (opened.is_local and tree.is_local)
        with (
            contextlib.closing(_engine(todo, jobs, scheduler, waits=waits)) as done,
            Progress(plan, show=progress) as bar,
        ):
            for job, result in done:
                record = _renewed(journal, job, result)
                replaced.add(_keep(journal, counted, record))
                bar.add(record)
                if record.error_class == DISK_FULL:
                    raise MedROIError(
                        f"{opened.url}: the disk is full ({record.path}: {record.error}); what was "
                        "done is recorded: make room and run the same command again"
                    )
        if share is None:
            _finish(journal, opened, tree, replaced)
        if report is not None:
            write_report(journal, opened, Path(report))
        return summary_of(plan, counted, began, journal)


def _finish(journal: Journal, place: Place, tree: Tree, replaced: set[str]) -> None:
    merge_duplicates(journal, place)
    journal.flush()
    for target in sorted(replaced - {""}):
        if not journal.index.clash_of(target, ""):
            place.remove(target)
    manifest.write(journal, place)
    _describe_bids(tree, place)
    journal.merge()


def _check(
    tree: Tree,
    place: Place,
    place_options: Mapping[str, Any] | None,
    source_options: Mapping[str, Any] | None,
) -> None:
    """Refuse a tree that cannot be listed, and an archive inside of its tree or around it."""
    tree.check()
    if isinstance(tree, LocalTree) and isinstance(place, LocalPlace):
        _check_apart(place, tree, os.path.realpath(place.folder), os.path.realpath(tree.name))
    elif tree.is_local == place.is_local and _server(place_options) == _server(source_options):
        _check_apart(place, tree, place.url, tree.name)
    is_there = isinstance(place, LocalPlace) and os.path.lexists(place.folder)
    if is_there and not os.path.isdir(place.url):
        raise InvalidArgument(f"{place.url}: expected a folder; it is a file")


def _check_apart(place: Place, tree: Tree, inner: str, outer: str) -> None:
    for one, other, text in ((inner, outer, "inside"), (outer, inner, "around")):
        if Path(one).is_relative_to(other):
            raise InvalidArgument(
                f"{place.url}: the archive lies {text} the tree {tree.name}; choose a folder "
                "beside it"
            )


def _server(options: Mapping[str, Any] | None) -> Any:
    """The server that options name, where a URL does not."""
    found = dict(options or {})
    return found.get("endpoint_url") or found.get("client_kwargs", {}).get("endpoint_url")


def _part_of(text: str) -> tuple[int, int]:
    found = _PART.fullmatch(text)
    if not found or int(found[1]) > int(found[2]):
        raise InvalidArgument(
            f"--part {text} (part=): expected I/N with I from 1 to N, such as 3/16"
        )
    return int(found[1]), int(found[2])


def _plan(
    tree: Tree,
    place: Place,
    journal: Journal,
    settings: Settings,
    share: tuple[int, int] | None,
    *,
    rehash: bool,
) -> tuple[Planner, Plan]:
    # An object store is asked by `check`: a question for each scan would take longer than the rest.
    is_there: Callable[[str], bool] = place.exists if place.is_local else lambda name: True
    planner = Planner(journal, settings, is_there, rehash=rehash)
    items = tree.items(settings.suffix, planner.known_series)
    if share is None:
        return planner, planner.plan(items)
    number, count = share

    def is_ours(path: str) -> bool:
        return manifest.part_of(path, count) == number

    return planner, planner.plan((item for item in items if is_ours(item.path)), is_ours)


def _engine(jobs: Iterator[Job], processes: int, scheduler: Any, *, waits: bool) -> Any:
    if scheduler is not None:
        return engines.run_dask(jobs, scheduler)
    if processes < 0:
        raise InvalidArgument(f"--jobs {processes} (jobs=): expected a number from 0")
    # Where a process waits for the network, another codes meanwhile.
    count = processes or n_available_cores() * (2 if waits else 1)
    return engines.run_here(jobs) if count == 1 else engines.run_processes(jobs, count)


def _renewed(journal: Journal, job: Job, record: Record) -> Record:
    """A record of equal content: the earlier one with new times, or what is known of the other."""
    if record.state != DUPLICATE:
        return record
    known = journal.index.get(record.path)
    if (
        known is None
        or known.state == FAILED
        or (known.target, known.sha256) != (record.target, record.sha256)
    ):
        return described(record, holder_of(journal, record))
    before = journal.record(record.path)
    return dataclasses.replace(
        before, mtime_ns=record.mtime_ns, listing=record.listing, pruned=False
    )


def _keep(journal: Journal, counted: Counter[str], record: Record) -> str:
    """Add a record; the name in the archive that its path had until now, where it has another."""
    known = journal.index.get(record.path)
    if record.state == FAILED and known is not None and known.target:
        # What is in the archive stays there, and stays known: the failure is of the newer source.
        before = journal.record(record.path)
        record = dataclasses.replace(
            record,
            kind=before.kind,
            n_files=before.n_files,
            target=before.target,
            nbytes=before.nbytes,
            mtime_ns=before.mtime_ns,
            sha256=before.sha256,
            files=before.files,
            stored_nbytes=before.stored_nbytes,
            stored_sha256=before.stored_sha256,
            stored_files=before.stored_files,
        )
    if known is not None and known.state == STORED and known.target != record.target:
        hand_over(journal, record.path)
    journal.add(record)
    counted[record.state] += 1
    is_new = record.state in IN_DST and known is not None and known.target != record.target
    return known.target if known is not None and is_new else ""


def _describe_bids(tree: Tree, place: Place) -> None:
    """Write the description of a BIDS derivative, where the tree is a BIDS data set."""
    try:
        found = json.loads(tree.read("dataset_description.json") or b"")
        name, version = str(found["Name"]), str(found["BIDSVersion"])
    except (OSError, MedROIError, ValueError, KeyError, TypeError):
        return
    description = {
        "Name": f"{name} (packed by medroi)",
        "BIDSVersion": version,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "medroi", "Version": metadata.version("medroi")}],
        **({"License": found["License"]} if isinstance(found.get("License"), str) else {}),
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    place.write("dataset_description.json", text.encode())
