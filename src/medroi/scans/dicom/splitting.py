"""Slices that make one volume: the series of a folder and what each of them consists of."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import whole
from medroi.scans.dicom.files import Images
from medroi.scans.dicom.frames import Frame, frames_of
from medroi.scans.formats.files import readable

_SAME_ORIENTATION = 1e-2
_N_LISTED = 12
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_MAX_NAME = 48


@dataclass(frozen=True)
class Volume:
    """Slices that belong together.

    Attributes
    ----------
    label : str
        By which a user names it: the series number, with ``.1``, ``.2`` where several share it.
    frames : tuple of Frame
        In the order of their files.
    """

    label: str
    frames: tuple[Frame, ...]

    @property
    def uid(self) -> str:
        """The SeriesInstanceUID, or nothing."""
        return str(self.frames[0].get("SeriesInstanceUID") or "")

    @property
    def name(self) -> str:
        """A file name without suffix: number and description, in letters that are safe."""
        return name_of_series(self.frames[0], self.label)

    def describe(self) -> str:
        """Say in a few words what it is."""
        first = self.frames[0]
        rows, columns = first.file.layout.plane_shape
        description = _text(first, "SeriesDescription")
        n_files = len({frame.path for frame in self.frames})
        images = f"{len(self.frames)} images" + (
            f" in {n_files} files" if n_files != len(self.frames) else ""
        )
        return (
            f"{self.label}: {images} of series {first.get('SeriesNumber', '?')}"
            f"{' ' + repr(description) if description else ''} ({first.get('Modality', '?')}, "
            f"{columns} x {rows})"
        )


def name_of_series(image: Any, label: str | None = None) -> str:
    """Name a series after its number and description, in letters that are safe.

    Parameters
    ----------
    image : Frame or Dataset
        One of its images.
    label : str, optional
        As that of a `Volume`; None is the number alone.
    """
    description, modality = (
        _UNSAFE.sub("-", _text(image, keyword)).strip("-")
        for keyword in ("SeriesDescription", "Modality")
    )
    number, _, part = (str(_number_of(image)) if label is None else label).partition(".")
    parts = [number.zfill(3), *([part] if part else [])]
    return "_".join([*parts, (description or modality or "series")[:_MAX_NAME].strip("-")])


def _number_of(image: Any) -> int:
    return whole(image.get("SeriesNumber")) or 0


def _text(image: Any, keyword: str) -> str:
    """A description, or nothing where it is damaged."""
    with contextlib.suppress(Exception):
        return str(image.get(keyword) or "").strip()
    return ""


def split(images: Images, folder: Path) -> list[Volume]:
    """Split the images of a folder into volumes, sorted by series number.

    Parameters
    ----------
    images : list of (Path, Dataset)
    folder : Path
        To which their names are relative.
    """
    series: dict[str, list[Frame]] = {}
    for path, dataset in images:
        uid = str(dataset.get("SeriesInstanceUID") or "")
        name = path.relative_to(folder).as_posix()
        with readable(path, "a damaged DICOM file"):
            series.setdefault(uid, []).extend(frames_of(path, name, dataset))
    groups: list[list[Frame]] = []
    for frames in series.values():
        _check_no_copies(frames)
        groups += _parts(frames)
    return _labelled(groups)


def choose(volumes: Sequence[Volume], wanted: str | None, source: Path) -> Volume:
    """Choose the one volume, or that of a label or a SeriesInstanceUID.

    Raises
    ------
    InvalidArgument
        Listing all, where there are several or none is meant.
    """
    if wanted is None:
        fitting = list(volumes)
    else:
        text = str(wanted).strip()
        fitting = [v for v in volumes if text in (v.label, v.uid, v.name)]
        fitting = fitting or [v for v in volumes if v.label.partition(".")[0] == text]
    if len(fitting) == 1:
        return fitting[0]
    shown = fitting or list(volumes)
    lines = [volume.describe() for volume in shown[:_N_LISTED]]
    more = f"; and {len(shown) - _N_LISTED} more" if len(shown) > _N_LISTED else ""
    if fitting:
        uids = {volume.uid for volume in fitting}
        what = f"{len(uids)} series" if len(uids) == len(fitting) else f"{len(fitting)} volumes"
        begin = f"holds {what}, expected one"
    else:
        begin = f"no series {wanted!r} among the {len(volumes)} of this folder"
    raise InvalidArgument(
        f"{source}: {begin}: {'; '.join(lines)}{more}; choose with --series N (series=), or give a "
        "folder as the target (pack_series), to pack each into a store of its own"
    )


def _check_no_copies(frames: Sequence[Frame]) -> None:
    """Refuse two files that say they are the same image."""
    seen: dict[tuple[str, int], Frame] = {}
    for frame in frames:
        uid = str(frame.get("SOPInstanceUID") or "")
        if not uid:
            continue
        other = seen.setdefault((uid, frame.index), frame)
        if other is not frame:
            raise InvalidArgument(
                f"{frame.path}: the same image as {other.file.name} (SOPInstanceUID {uid}), twice "
                "at the same position; move one of them out of the folder"
            )


def _parts(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Split a series by what one volume cannot have two of."""
    groups: dict[tuple[Any, ...], list[Frame]] = {}
    orientations: list[np.ndarray[Any, Any]] = []
    for frame in frames:
        groups.setdefault(_key(frame, orientations), []).append(frame)
    return list(groups.values())


def _key(frame: Frame, orientations: list[np.ndarray[Any, Any]]) -> tuple[Any, ...]:
    is_alone = frame.file.layout.n_planes == 1
    image_type = frame.get("ImageType")
    return (
        frame.file.layout.plane_shape,
        _orientation(frame, orientations),
        # Images without a position are no slices of one volume: each file is by itself.
        None if frame.has_position else frame.file.name,
        # Echoes, and magnitude and phase, of one file are volumes of one 4-D scan.
        str(frame.get("EchoTime") or "") if is_alone else "",
        str(image_type or "") if is_alone else "",
    )


def _orientation(frame: Frame, known: list[np.ndarray[Any, Any]]) -> int:
    """Number the orientation of a frame, -1 where it has none that can be read."""
    try:
        found = np.asarray([float(v) for v in frame.get("ImageOrientationPatient")], np.float64)
    except (TypeError, ValueError):
        return -1
    if found.shape != (6,) or not np.isfinite(found).all():
        return -1
    for index, other in enumerate(known):
        if np.abs(found - other).max() < _SAME_ORIENTATION:
            return index
    known.append(found)
    return len(known) - 1


def _labelled(groups: list[list[Frame]]) -> list[Volume]:
    groups = sorted(groups, key=lambda frames: _number_of(frames[0]))
    numbers = [_number_of(frames[0]) for frames in groups]
    volumes = []
    for index, (number, frames) in enumerate(zip(numbers, groups, strict=True)):
        part = f".{numbers[:index].count(number) + 1}" if numbers.count(number) > 1 else ""
        volumes.append(Volume(f"{number}{part}", tuple(frames)))
    return volumes
