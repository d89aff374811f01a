"""Show what a setting keeps of a scan: numbers, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import medroi
from medroi.errors import InvalidArgument
from medroi.scans.formats import read_scan
from medroi.scans.formats.files import readable
from medroi.scans.formats.names import printable
from medroi.scans.pictures.drawing import FORMATS, check_matplotlib, draw
from medroi.scans.pictures.preview import Preview
from medroi.scans.pictures.previewing import DEFAULT_INNER, preview_scan, preview_store
from medroi.scans.pictures.sheet import sheet_of
from medroi.scans.stores.files import is_zip
from medroi.scans.stores.folders import made_parent
from medroi.scans.stores.hdf5_array import names_in
from medroi.scans.stores.hdf5_store import split_source
from medroi.scans.stores.replacing import is_store
from medroi.scans.stores.staging import staged


def show(
    source: str | Path,
    target: str | Path | None = None,
    *,
    lossless: bool = False,
    at: Sequence[int] | None = None,
    beside: Sequence[Mapping[str, Any]] = (),
    **settings: Any,
) -> list[Preview]:
    """Show what `pack` with these settings would keep of a scan, or what a store has kept.

    Parameters
    ----------
    source : path
        What `pack` reads, or a store that it wrote.
    target : path, optional
        A picture: .png, .pdf or .svg. It replaces an existing file.
    lossless : bool
        Keep every voxel that is not background.
    at : sequence of int, optional
        Voxel through which the planes go; None is the middle of the region.
    beside : sequence of mappings
        Further settings, each what it changes, for a picture that compares them.
    **settings
        As in `pack`: chunks, inner, threshold, polarity, roi, background, padding, max_miss_rate.

    Returns
    -------
    list of Preview
        One for `settings` and one for each of `beside`.

    Raises
    ------
    InvalidArgument
        For what cannot be read, and for settings of a store, which has its own.
    InnerUnavailable
        For a picture where matplotlib is not installed.
    """
    source = Path(source)
    if target is not None:
        target = Path(target)
        if target.suffix.lower()[1:] not in FORMATS:
            names = ", ".join(f".{name}" for name in FORMATS)
            raise InvalidArgument(f"{target}: expected a name that ends with {names}")
        check_matplotlib()
    if _is_packed(source):
        if settings or lossless or beside:
            raise InvalidArgument(f"{source} is packed: its settings are its own; give none")
        with readable(source, "a damaged store"):
            previews = [preview_store(source)]
    else:
        previews = _of_scan(source, [_checked(settings, lossless), *beside])
    if target is not None:
        sheet = sheet_of(previews, None if at is None else tuple(at))
        with (
            made_parent(target),
            staged(target, force=True, may_replace=Path.is_file) as fresh,
        ):
            draw(sheet, fresh, target.suffix.lower()[1:])
    return previews


def _is_packed(source: Path) -> bool:
    """Whether it is a Zarr store, or a dataset of HDF5 with the filter."""
    place = None if is_zip(source) else split_source(source)
    if place is None:
        return is_store(source)
    names = names_in(place.file)
    return place.name in names if place.name else bool(names)


def _checked(settings: dict[str, Any], lossless: bool) -> dict[str, Any]:
    if not lossless:
        return settings
    region = {key: value for key, value in settings.items() if key not in ("inner", "chunks")}
    # Refuses a lossy inner codec, and a threshold beside it.
    medroi.MedROI.lossless(settings.get("inner", DEFAULT_INNER), **region)
    return {**settings, "threshold": None}


def _of_scan(source: Path, asked: list[Mapping[str, Any]]) -> list[Preview]:
    # What is only looked at may lack slices: it says so.
    scan = read_scan(source, incomplete=True)
    compare = len(asked) == 1  # several settings have a row of the picture each
    return [
        preview_scan(scan, printable(source.name), compare=compare, **{**asked[0], **changed})
        for changed in asked
    ]
