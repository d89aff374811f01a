"""Equal scans are stored once: the first path keeps the store, the others name it."""

from __future__ import annotations

import dataclasses

from medroi.archives.journals import Journal
from medroi.archives.places import Place
from medroi.archives.records import DUPLICATE, STORED, Record


def merge_duplicates(journal: Journal, place: Place) -> int:
    """Let scans of equal content and settings share the store of the first of them, by path.

    Scans that were packed at the same time each have a store of their own until then. Journal
    first, then the store goes: what a kill leaves between the two is removed by the next run.

    Returns
    -------
    int
        Stores that were removed.
    """
    removed = []
    found = journal.index.stored_twice()
    for first, path in ((paths[0], path) for paths in found for path in paths[1:]):
        before, owner = journal.record(path), journal.record(first)
        sharing = journal.index.users_of(before.target) - {path}
        emptied = dataclasses.replace(before, stored_nbytes=0, stored_sha256="", stored_files=())
        record = dataclasses.replace(emptied, state=DUPLICATE, target=owner.target)
        journal.add(described(record, owner))
        if before.target != owner.target and not sharing:
            removed.append(before.target)
    journal.flush()
    for target in removed:
        place.remove(target)
    _follow_owners(journal)
    return len(removed)


def hand_over(journal: Journal, path: str) -> None:
    """Give the store of a path to another path with its content, where there is one."""
    before = journal.record(path)
    others = sorted(journal.index.users_of(before.target) - {path})
    if others:
        journal.add(
            dataclasses.replace(
                journal.record(others[0]),
                state=STORED,
                stored_nbytes=before.stored_nbytes,
                stored_sha256=before.stored_sha256,
                stored_files=before.stored_files,
            )
        )


def described(record: Record, owner: Record) -> Record:
    """The record of a duplicate, with what is known of the scan that is stored."""
    return dataclasses.replace(
        record,
        versions=owner.versions,
        region=owner.region,
        kept_share=owner.kept_share,
        n_dropped_signal=owner.n_dropped_signal,
        largest_dropped_group=owner.largest_dropped_group,
        notes=owner.notes,
    )


def _follow_owners(journal: Journal) -> None:
    """Let duplicates name the store that is there."""
    for path, known in journal.index.items(DUPLICATE):
        target = journal.index.target_of(known.sha256, known.settings)
        if target is not None and target != known.target:
            journal.add(dataclasses.replace(journal.record(path), target=target))
