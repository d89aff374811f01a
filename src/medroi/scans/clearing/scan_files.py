"""A cleared scan as a file of the kind that it came from: all but dropped voxels as they were."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy.typing as npt

from medroi.errors import InvalidArgument, MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans.clearing.comparing import check_written
from medroi.scans.formats import READERS, write_scan
from medroi.scans.scaling import is_linear, rescaled
from medroi.scans.scan import Scan
from medroi.scans.sources.containers import container_of
from medroi.scans.stores.kept import same_bits
from medroi.working_memory import of_machine

_LEVELS = range(1, 10)


def checked_level(level: int) -> int:
    """Refuse what is no level of gzip.

    Raises
    ------
    InvalidArgument
    """
    if isinstance(level, bool) or level not in _LEVELS:
        raise InvalidArgument(f"gzip_level is {level!r} (--gzip-level): expected 1 to 9")
    return int(level)


def write(
    fresh: Path,
    target: Path,
    scan: Scan,
    voxels: npt.NDArray[Any],
    region: ScanRegion,
    *,
    suffix: str,
    gzip_level: int,
) -> None:
    """Write a file and read it back.

    Parameters
    ----------
    fresh : Path
        Where it is written.
    target : Path
        Where it will be; for messages.
    scan : Scan
        As it was read.
    voxels : ndarray
        The same, cleared.
    region : ScanRegion
        What is kept.
    suffix : str
        As `medroi.scans.formats.check_target` gives it.
    gzip_level : int
        Of files that are gzipped.

    Raises
    ------
    MedROIError
        Where it does not come back.
    """
    container = dict(container_of(suffix))
    if container["kind"] == "gzip":
        container["level"] = gzip_level
    write_scan(dataclasses.replace(scan, voxels=voxels), fresh, suffix, container=container)
    found = READERS[suffix](fresh, of_machine())
    if not is_linear(scan):
        # NIfTI has no such table: what it holds are values in the unit of the file.
        expected = rescaled(dataclasses.replace(scan, voxels=voxels))
        if not same_bits(found.voxels, expected).all():
            raise MedROIError(f"{target}: its values did not come back; nothing is written")
    else:
        check_written(target, found.voxels, scan.voxels, region)
    is_own = found.kind == scan.kind
    if is_own and scan.header and (found.header, found.footer) != (scan.header, scan.footer):
        raise MedROIError(f"{target}: its header did not come back; nothing is written")
