"""Scans that are several files beside each other: which files belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from medroi.errors import MedROIError
from medroi.scans.formats import meta, nrrd, pair

# What reads the name of a data file out of a header, by the suffix of headers that have one.
_DATA_FILES: Mapping[str, Callable[[Path], str | None]] = {
    ".mhd": meta.data_file_of,
    ".nhdr": nrrd.data_file_of,
}
HEADER_SUFFIXES = tuple(_DATA_FILES)


def scans_of_several_files(folder: Path, names: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Find the scans of a folder that are more than one file.

    Parameters
    ----------
    folder : Path
    names : mapping
        The files in it, by name.

    Returns
    -------
    dict
        By the name of the header, the names of the data files. A half of a pair without the other
        is no scan, nor is a data file that no header names.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        partners = pair.partners_of(name) if pair.is_header(name) else ()
        image = next((partner for partner in partners if partner in names), None)
        if image is not None:
            found[name] = (image,)
        data_file_of = _DATA_FILES.get(Path(name).suffix.lower())
        if data_file_of is not None:
            data_file = _named_in(folder / name, data_file_of)
            if data_file is not None and data_file in names:
                found[name] = (data_file,)
    return found


def _named_in(header: Path, data_file_of: Callable[[Path], str | None]) -> str | None:
    """The data file that a header names; None where it names none, or cannot be read."""
    try:
        return data_file_of(header)
    except (MedROIError, OSError):
        return None
