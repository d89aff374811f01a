"""The DICOM series whose files lie in one folder."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from medroi.scans.dicom.bytes import read_dataset
from medroi.scans.dicom.files import says_image
from medroi.scans.dicom.splitting import name_of_series

_TAGS = (
    "Modality",
    "Rows",
    "SOPClassUID",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SeriesNumber",
)


@dataclasses.dataclass(frozen=True)
class Series:
    """Files of one series in one folder.

    Attributes
    ----------
    name : str
        Made from its number and description; of its own in the folder.
    files : tuple of str
        Relative to the root of the tree.
    """

    name: str
    files: tuple[str, ...]


def series_of(root: Path, paths: Sequence[str]) -> list[Series]:
    """Sort DICOM files of one folder by series, by their headers.

    A file that cannot be read may be a slice of any of them: all are then given as one, which
    `pack` refuses and names the file, so that no series is taken for complete without it. Files
    that hold no image are in no series.
    """
    if not paths:
        return []
    found: dict[str, list[str]] = collections.defaultdict(list)
    names: dict[str, str] = {}
    unreadable: list[str] = []
    for path in paths:
        try:
            header = read_dataset(root / path, _TAGS)
            uid = str(header.get("SeriesInstanceUID", ""))
            if header.get("Rows") is None:
                if says_image(header):
                    raise ValueError("an image that is cut off within its header")
                continue
            names.setdefault(uid, name_of_series(header))
        except Exception:  # pydicom raises whatever a damaged file provokes
            unreadable.append(path)
            continue
        found[uid].append(path)
    if unreadable:
        members = [path for paths_of_one in found.values() for path in paths_of_one]
        return [Series("unreadable", tuple(sorted([*members, *unreadable])))]
    counted = collections.Counter(name.casefold() for name in names.values())
    series = []
    for uid, members in found.items():
        name = names[uid]
        if counted[name.casefold()] > 1:
            name += "-" + hashlib.sha256(uid.encode()).hexdigest()[:8]
        series.append(Series(name, tuple(sorted(members))))
    return sorted(series, key=lambda one: one.name)
