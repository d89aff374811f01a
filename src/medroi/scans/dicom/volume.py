"""One volume as a scan: its voxels, where they lie, what they mean, and its files."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom import skeletons, sources
from medroi.scans.dicom.diffusion import b_value, b_vector
from medroi.scans.dicom.files import Found, listed
from medroi.scans.dicom.frames import COMPONENTS, Frame, ImageFile, check_bounded
from medroi.scans.dicom.geometry import flat_affine, places_of
from medroi.scans.dicom.layout import is_encapsulated
from medroi.scans.dicom.numbering import missing_at_ends
from medroi.scans.dicom.padding import padding_of
from medroi.scans.dicom.pixels import Pixels, read_pixels
from medroi.scans.dicom.rescaling import lookup_of, rescale_of, table_of
from medroi.scans.dicom.skeletons import Skeleton
from medroi.scans.dicom.splitting import Volume
from medroi.scans.dicom.tags import tags_of
from medroi.scans.dicom.timing import time_step_s, volumes_of
from medroi.scans.formats.files import readable
from medroi.scans.scaling import MODALITY_LUT, RESCALE_PER_SLICE
from medroi.scans.scan import AXIS_NAMES, PADDING_VALUES, Scan
from medroi.scans.sources.source import SourceFile
from medroi.working_memory import WorkingMemory

_SAME_IN_ALL = (
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PhotometricInterpretation",
    "Modality",
    "FrameOfReferenceUID",
    "RescaleType",
    "Units",
)
# These may differ, but a slice without them among slices with them has lost its own.
_IN_ALL_OR_NONE = ("RescaleSlope", "RescaleIntercept", "DoseGridScaling")
# Of one file while it is read, its bytes, its pixels and what the voxels give of them are there
# several times; so are the bytes that are kept of all files.
_FILE_SHARE, _KEPT_SHARE = 5, 6
_SEGMENTS = ("SegmentNumber", "SegmentLabel", "SegmentAlgorithmType")
# What a user should know of identifiers, where they are kept.
IDENTIFIERS_NOTE = (
    "all that the files hold of the patient is in the store, which gives the files back; "
    "--without-identifiers (identifiers=False) leaves it out"
)


def assembled(
    volume: Volume,
    volumes: Sequence[Volume],
    found: Found,
    *,
    identifiers: bool,
    incomplete: bool,
    encapsulated: str,
    sidecars: bool,
    memory: WorkingMemory,
) -> Scan:
    """Read the pixels of a volume and put all together; the parameters are those of `dicom.read`.

    `volumes` are all of the folder: each file beside the images goes with the first one that has
    images where it lies.
    """
    check_encapsulated(encapsulated)
    frames = volume.frames
    _check_same(frames)
    sparse = frames[0].get("Modality") == "SEG"
    affine, order, details, notes = _placed(frames, incomplete=incomplete, sparse=sparse)
    volumes_found = volumes_of(frames, order, sparse=sparse)
    grid = volumes_found.grid
    n_in_series = sum(len(other.frames) for other in volumes if other.uid == volume.uid)
    notes += _missing(found.folder, frames, grid, n_in_series, incomplete=incomplete)
    in_order = [frames[index] for time in grid for index in time if index >= 0]
    details = {"tags": tags_of(in_order[0], identifiers=identifiers), **details}
    if len(volumes) > 1:
        details["series"] = volume.label
    details.update(_details(in_order[: len(grid[0])], volumes_found.points))
    slope, intercept, more = _rescale(frames, grid, details)
    notes += more
    keeping = identifiers and encapsulated == "keep"
    beside = _beside(volume, volumes, found) if keeping and sidecars else []
    if found.passed_over:
        names = listed([path.relative_to(found.folder).as_posix() for path in found.passed_over])
        kept = f", {len(beside)} kept with this series" if beside else ""
        notes.append(
            f"files passed over that hold no DICOM image: {len(found.passed_over)} ({names}){kept}"
        )
    stack, files, more = _read(volume, grid, memory, keeping=keeping)
    notes += more
    voxels = stack.transpose(4, 3, 2, 1, 0)
    voxels = voxels if len(grid) > 1 else voxels[:, :, :, 0]
    if len(stack) > 1:
        details.update(_colour(in_order[0], voxels.ndim))
    else:
        voxels = voxels[..., 0]
    meaning = _meaning(in_order[0])
    padding = None if meaning else padding_of(in_order, voxels.dtype)
    if padding is not None:
        details[PADDING_VALUES] = padding
    attachments = {}
    if keeping:
        side, left_out = sources.sidecars_of(beside, found.folder)
        if left_out:
            notes.append(f"files beside the images that are too large to keep: {listed(left_out)}")
        files += side
        attachments[skeletons.NAME] = sources.attachment_of(files, voxels)
        notes.append(IDENTIFIERS_NOTE)
    return Scan(
        voxels=voxels,
        kind="dicom",
        affine=affine,
        slope=slope,
        intercept=intercept,
        polarity="dark"
        if in_order[0].get("PhotometricInterpretation") == "MONOCHROME1"
        else "bright",
        meaning=meaning,
        details=details,
        notes=tuple(notes),
        sources=tuple(source for source, _ in files),
        attachments=attachments,
    )


def check_encapsulated(encapsulated: str) -> None:
    """Refuse what says neither to keep compressed pixels nor to do without them.

    Raises
    ------
    InvalidArgument
    """
    if encapsulated not in ("keep", "decode"):
        raise InvalidArgument(
            f"encapsulated={encapsulated!r} (--encapsulated): expected 'keep' or 'decode'"
        )


def _placed(
    frames: Sequence[Frame], *, incomplete: bool, sparse: bool
) -> tuple[npt.NDArray[np.float64], list[list[int]], dict[str, Any], list[str]]:
    if not any(frame.has_position for frame in frames):
        # Without a position they can only follow one another.
        affine, note = flat_affine(frames[0])
        return affine, [list(range(len(frames)))], {}, [note]
    places = places_of(frames, incomplete=incomplete, sparse=sparse)
    details = {} if places.heights_mm is None else {"slice_heights_mm": places.heights_mm}
    return places.affine, places.order, details, list(places.notes)


def _missing(
    folder: Path,
    frames: Sequence[Frame],
    grid: list[list[int]],
    n_in_series: int,
    *,
    incomplete: bool,
) -> list[str]:
    """Refuse a volume of which slices are missing at the ends, as far as that can be seen."""
    if any(frame.file.layout.n_planes > 1 for frame in frames):
        return []
    in_order = [frames[index] for index in grid[0]]
    missing, note = missing_at_ends(in_order, n_volumes=len(grid), n_in_series=n_in_series)
    if missing and not incomplete:
        raise InvalidArgument(
            f"{folder}: slices are missing at the ends of the series: {missing}; get them, or pack "
            "what is there with --incomplete (incomplete=True)"
        )
    missing = f"slices are missing at the ends of the series: {missing}" if missing else ""
    return [text for text in (missing, note) if text]


def _details(in_order: Sequence[Frame], points: dict[str, list[Any]]) -> dict[str, Any]:
    """Facts of a volume's frames; `in_order` are those of its first time."""
    details: dict[str, Any] = {}
    first = in_order[0]
    if points:
        details["volumes"] = points
        step = time_step_s(first, points)
        if step is not None:
            details["time_step_s"] = step
    elif b_value(first) is not None:
        details["b_value"], vector = b_value(first), b_vector(first)
        details.update({} if vector is None else {"b_vector": list(vector)})
    times = [frame.own.get("SliceTime_ms") for frame in in_order]
    if None not in times:
        details["slice_times_ms"] = times
    # A damaged description is no reason to refuse the voxels.
    with contextlib.suppress(Exception):
        segments = first.get("SegmentSequence") or ()
        listed_segments = [
            {name: str(item.get(name)) for name in _SEGMENTS if item.get(name) is not None}
            for item in segments
        ]
        if listed_segments:
            details["segments"] = listed_segments
    return details


def _colour(first: Frame, n_axes: int) -> dict[str, Any]:
    """The details of a scan whose last axis has the numbers of a colour."""
    interpretation = str(first.get("PhotometricInterpretation"))
    is_decoded = is_encapsulated(first.file.dataset)
    return {
        "components": COMPONENTS["RGB" if is_decoded else interpretation],
        "file_axes": [n_axes - 1, *range(n_axes - 1)],
        "axis_names": [*AXIS_NAMES[: n_axes - 1], "c"],
    }


def _meaning(first: Frame) -> str:
    """Kind of the values, where they are no intensities."""
    if first.get("Modality") == "SEG":
        return "label"
    if first.get("PhotometricInterpretation") == "PALETTE COLOR":
        return "numbers of colours in a palette"
    return "colour" if first.file.layout.samples > 1 else ""


def _rescale(
    frames: Sequence[Frame], grid: list[list[int]], details: dict[str, Any]
) -> tuple[float, float, list[str]]:
    """Slope and intercept of all; a table in the details where they vary, or in place of them."""
    lookup = lookup_of([frame.file for frame in frames])
    if lookup is not None:
        details[MODALITY_LUT] = lookup
        note = (
            f"the stored integers are numbers of a modality lookup table of {len(lookup['values'])}"
            " values; thresholds apply to the stored integers, NIfTI has the values"
        )
        return 1.0, 0.0, [note]
    pairs = [
        rescale_of(frames[index]) if index >= 0 else (1.0, 0.0) for time in grid for index in time
    ]
    if len(set(pairs)) == 1:
        return *pairs[0], []
    shape = (len(grid[0]), len(grid)) if len(grid) > 1 else (len(grid[0]),)
    details[RESCALE_PER_SLICE] = table_of(pairs, shape)
    note = "slope and intercept vary from slice to slice; thresholds apply to the stored integers"
    return 1.0, 0.0, [note]


def _read(
    volume: Volume, grid: list[list[int]], memory: WorkingMemory, *, keeping: bool
) -> tuple[npt.NDArray[Any], list[tuple[SourceFile, Skeleton]], list[str]]:
    """The stack (sample, time, slice, row, column), and what the files hold beside it."""
    frames, n_places = volume.frames, len(grid[0])
    of_file = _planes_by_file(frames, grid)
    _check_memory(of_file, memory)
    is_whole = all(index >= 0 for time in grid for index in time)
    stack: npt.NDArray[Any] | None = None
    files, failures = [], []
    n_overlaid = n_encapsulated = encapsulated_nbytes = 0
    for file, planes in of_file:
        try:
            with readable(file.path, "a damaged DICOM file"):
                pixels = read_pixels(file)
        except InvalidArgument as error:
            failures.append(error)
            continue
        if stack is None:
            # Only pixels that were really read prove that the header's size may be allocated.
            n_planes, samples = len(grid) * n_places, file.layout.samples
            shape = (samples, n_planes, *file.layout.plane_shape)
            stack = memory.array(shape, file.layout.dtype)
            if not is_whole:
                stack[...] = 0
        found = pixels.planes.reshape(len(planes), *file.layout.plane_shape, -1)
        for values, plane in zip(found, planes, strict=True):
            if plane >= 0:
                stack[:, plane] = np.moveaxis(values, 2, 0)
        n_overlaid += pixels.has_more_bits
        if pixels.is_encapsulated:
            n_encapsulated += 1
            encapsulated_nbytes += _nbytes_of(pixels)
            if keeping:
                _check_kept(frames[0].path.parent, encapsulated_nbytes, memory)
        if keeping:
            files.append(sources.image_of(file, pixels, planes))
    if failures and (len(failures) == 1 or stack is None):
        raise failures[0]
    if failures or stack is None:
        raise InvalidArgument(
            f"{frames[0].path.parent}: the pixels of {len(failures)} of {len(of_file)} files "
            f"cannot be read: {listed([str(error) for error in failures])}"
        )
    notes = _notes(frames[0], n_overlaid, n_encapsulated, encapsulated_nbytes, keeping=keeping)
    return stack.reshape((len(stack), len(grid), n_places, *stack.shape[2:])), files, notes


def _check_memory(of_file: Sequence[tuple[ImageFile, Any]], memory: WorkingMemory) -> None:
    """Refuse a file that alone would take more memory than there may be."""
    file = max((file for file, _ in of_file), key=lambda file: file.layout.nbytes)
    needed_nbytes = file.layout.nbytes * _FILE_SHARE
    if needed_nbytes > memory.limit_nbytes:
        # A file that is cut off is no question of memory.
        check_bounded(file.path, file.dataset, file.layout)
        raise InvalidArgument(
            f"{file.path}: one file with {file.layout.nbytes} bytes of pixels, which needs memory "
            f"of {needed_nbytes} bytes, found {memory.limit_nbytes}: allow more with --memory "
            "(memory=), or convert it to NIfTI, which is read in pieces"
        )


def _check_kept(folder: Path, nbytes: int, memory: WorkingMemory) -> None:
    """Refuse compressed pixels that are kept for which there is no memory."""
    if nbytes * _KEPT_SHARE > memory.limit_nbytes:
        raise InvalidArgument(
            f"{folder}: more than {nbytes} bytes of compressed pixels are to be kept beside the "
            f"voxels, which needs memory of {nbytes * _KEPT_SHARE} bytes, found "
            f"{memory.limit_nbytes}: allow more with --memory (memory=), or do without the files "
            "with --encapsulated decode (encapsulated='decode')"
        )


def _planes_by_file(
    frames: Sequence[Frame], grid: list[list[int]]
) -> list[tuple[ImageFile, list[int]]]:
    n_places = len(grid[0])
    plane_of = {
        index: t * n_places + z for t, time in enumerate(grid) for z, index in enumerate(time)
    }
    of_file: dict[str, tuple[ImageFile, list[int]]] = {}
    for index, frame in enumerate(frames):
        file = frame.file
        planes = of_file.setdefault(file.name, (file, [-1] * file.layout.n_planes))[1]
        planes[frame.index] = plane_of[index]
    return list(of_file.values())


def files_of(volume: Volume, *, incomplete: bool) -> list[tuple[ImageFile, list[int]]]:
    """Give the files of a volume, and for each plane of a file its place in the voxels.

    Places are counted slice by slice, then time by time; -1 is a plane that the volume has not.
    """
    sparse = volume.frames[0].get("Modality") == "SEG"
    _, order, _, _ = _placed(volume.frames, incomplete=incomplete, sparse=sparse)
    return _planes_by_file(volume.frames, volumes_of(volume.frames, order, sparse=sparse).grid)


def _nbytes_of(pixels: Pixels) -> int:
    place = pixels.whole.pixels
    return len(pixels.whole.contents) if place is None else place.nbytes


def _notes(
    first: Frame, n_overlaid: int, n_encapsulated: int, encapsulated_nbytes: int, *, keeping: bool
) -> list[str]:
    notes = []
    if n_overlaid:
        kept = "kept with the files" if keeping else "left out"
        notes.append(
            f"{n_overlaid} images hold something in the bits around the "
            f"{first.file.layout.stored} stored ones (an overlay?), which is no part of the voxels "
            f"and {kept}"
        )
    if n_encapsulated and keeping:
        notes.append(
            f"the pixels of {n_encapsulated} files are compressed and cannot be made again from "
            f"voxels: {encapsulated_nbytes} bytes of them are kept beside the voxels; "
            "--encapsulated decode (encapsulated='decode') does without, and without the files"
        )
    if first.get("PhotometricInterpretation") == "MONOCHROME1":
        notes.append("MONOCHROME1: low values are bright, and air is taken to have high ones")
    return notes


def _beside(volume: Volume, volumes: Sequence[Volume], found: Found) -> list[Path]:
    """Files beside images that go with this volume: the first with images where they lie."""
    owned = []
    for path in found.passed_over:
        with_images = next(
            (
                other
                for other in volumes
                if any(frame.path.is_relative_to(path.parent) for frame in other.frames)
            ),
            volumes[0],
        )
        if with_images is volume:
            owned.append(path)
    return owned


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) < 80 else text[:80] + "..."


def _check_same(frames: Sequence[Frame]) -> None:
    first = frames[0]
    for keyword in _SAME_IN_ALL:
        wanted = first.get(keyword)
        for frame in frames:
            if frame.get(keyword) != wanted:
                raise InvalidArgument(
                    f"{frame.path}: {keyword} is {_said(frame.get(keyword))}, in "
                    f"{first.path.name} it is {_said(wanted)}; the images of a volume must agree: "
                    "move those of others out of the folder"
                )
    for keyword in _IN_ALL_OR_NONE:
        having = [frame for frame in frames if frame.get(keyword) not in (None, "")]
        lacking = [frame for frame in frames if frame.get(keyword) in (None, "")]
        if having and lacking:
            raise InvalidArgument(
                f"{lacking[0].path}: no {keyword}, which {len(having)} of the {len(frames)} images "
                f"have ({having[0].path.name}); its values would mean something else than theirs"
            )
