"""Small files beside a scan that belong to it: they travel with it and come back.

By the convention of BIDS they have the scan's name with another suffix; what happened during a run
has the name with ``events`` or ``physio`` in the place of its last part.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from medroi.errors import InvalidArgument
from medroi.scans.scan import Scan
from medroi.scans.sources.source import SourceFile

SUFFIXES = (".json", ".bval", ".bvec", ".bvals", ".bvecs", ".tsv", ".tsv.gz")
# Where an attachment is that of a sidecar; others are a format's own.
_PREFIX = "sidecar/"
_OF_RUNS = ("events", "physio", "stim")
_MAX_NBYTES = 1 << 26


def with_sidecars(scan: Scan, path: Path, stem: str) -> Scan:
    """Add what lies beside the file of a scan.

    Parameters
    ----------
    scan : Scan
        As it was read.
    path : Path
        The file; in a folder of a series nothing is looked for.
    stem : str
        Its name without suffix.

    Raises
    ------
    InvalidArgument
        Where a sidecar is larger than any is.
    """
    files, found = list(scan.sources), dict(scan.attachments)
    for sidecar in _beside(path, stem):
        with sidecar.open("rb") as file:
            data = file.read(_MAX_NBYTES + 1)
        if len(data) > _MAX_NBYTES:
            raise InvalidArgument(
                f"{sidecar}: more than {_MAX_NBYTES} bytes; leave it out with --sidecars none "
                "(sidecars=False)"
            )
        digest = hashlib.sha256(data).hexdigest()
        files.append(SourceFile(sidecar.name, len(data), digest, digest, "sidecar"))
        found[attachment_of(sidecar.name)] = data
    return dataclasses.replace(scan, sources=tuple(files), attachments=found)


def attachment_of(name: str) -> str:
    """The name of the attachment that has the bytes of a sidecar."""
    return _PREFIX + name


def _beside(path: Path, stem: str) -> Iterator[Path]:
    """Give the sidecars of a file that are there."""
    stems = [stem]
    before, underscore, _ = stem.rpartition("_")
    if underscore:
        stems += [f"{before}_{last}" for last in _OF_RUNS]
    for number, one in enumerate(stems):
        for suffix in SUFFIXES:
            beside = path.with_name(one + suffix)
            # Of a run's events there is a table and its description.
            if number and suffix not in (".tsv", ".tsv.gz", ".json"):
                continue
            # A name too long for the file system is none that is there.
            if beside != path and os.path.isfile(beside):
                yield beside
