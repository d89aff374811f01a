"""Scans that are several files beside each other: which files belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from medroi.scans.formats import pair

HEADER_SUFFIXES = (".mhd", ".nhdr")
_DATA_FILE = re.compile(rb"^\s*(?:ElementDataFile\s*=|data ?file:)\s*(\S.*?)\s*$", re.M | re.I)
_MAX_HEADER_NBYTES = 1 << 16


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
        if name.lower().endswith(HEADER_SUFFIXES):
            data_file = _named_in(folder / name)
            if data_file in names:
                found[name] = (data_file,)
    return found


def _named_in(header: Path) -> str:
    """The data file that the text of a header names; nothing where it names none."""
    try:
        with header.open("rb") as file:
            match = _DATA_FILE.search(file.read(_MAX_HEADER_NBYTES))
    except OSError:
        return ""
    return match[1].decode("utf-8", "surrogateescape") if match else ""
