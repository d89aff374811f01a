"""Every series of a folder into a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument, MedROIError
from medroi.scans import dicom
from medroi.scans.formats import kind_of
from medroi.scans.packing import is_folder_target, pack
from medroi.scans.report import PackReport
from medroi.scans.stores.apart import check_apart
from medroi.scans.stores.layouts import GROUP_SUFFIX


def has_series(source: str | Path, target: str | Path) -> bool:
    """Whether a source may hold several series, and a target is a folder for their stores."""
    path = Path(source)
    is_many = path.is_dir() or (path.is_file() and dicom.is_directory_file(path))
    return is_many and is_folder_target(target) and kind_of(path) == "dicom"


def pack_series(source: str | Path, folder: str | Path, **options: Any) -> Iterator[PackReport]:
    """Pack each DICOM series of a folder, or of a DICOMDIR, into a store of its own.

    Stores are named by number and description of their series, ``005_t1-mprage.ome.zarr``. Echoes,
    magnitude and phase, orientations and sizes of one series are volumes of their own.

    Parameters
    ----------
    source : path
        Holds DICOM files at any depth.
    folder : path
        Where the stores are put; it is made if it does not exist.
    **options
        Those of `pack`, but for `series`.

    Yields
    ------
    PackReport
        Of each series, as soon as its store is complete.

    Raises
    ------
    InvalidArgument
        At the end, naming each series that could not be packed; the others are.
    """
    source, folder = Path(source), Path(folder)
    check_apart(source, folder / GROUP_SUFFIX)
    found = dicom.find_series(source)
    failures = []
    for one in found:
        try:
            yield pack(source, folder / _name_of(one), series=one, **options)
        except MedROIError as error:
            failures.append((one.volume.label, error))
    if len(failures) == 1 and len(found) == 1:
        raise failures[0][1]
    if failures:
        listed = "; ".join(f"{label}: {error}" for label, error in failures)
        raise InvalidArgument(
            f"{source}: {len(failures)} of {len(found)} series could not be packed: {listed}"
        )


def _name_of(one: dicom.Chosen) -> str:
    """The name of a store: OME-Zarr, unless it has no room for colours beside times."""
    frames = one.volume.frames
    is_long = len(frames) > 1 and frames[0].file.layout.samples > 1
    return f"{one.volume.name}{'.zarr' if is_long else GROUP_SUFFIX}"
