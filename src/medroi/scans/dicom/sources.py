"""The files of a volume as a store keeps them: what each is, and its bytes but for its voxels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument, MedROIError
from medroi.scans.dicom import skeletons
from medroi.scans.dicom.frames import ImageFile
from medroi.scans.dicom.pixels import Pixels
from medroi.scans.dicom.skeletons import Skeleton
from medroi.scans.sources.source import SourceFile, is_inside

# Of files beside the images; larger ones, and all beyond the sum, are named in a note.
_MAX_SIDECAR_NBYTES = 1 << 24
_MAX_SIDECARS_NBYTES = 1 << 26


def image_of(file: ImageFile, pixels: Pixels, planes: Sequence[int]) -> tuple[SourceFile, Skeleton]:
    """Describe one file of a volume.

    Parameters
    ----------
    file : ImageFile
    pixels : Pixels
    planes : sequence of int
        For each plane of the file that of the voxels, -1 where these have it not.
    """
    whole = pixels.whole
    source = whole.source
    if whole.pixels is None:
        return source, Skeleton(file.name, b"", whole.contents)
    start, stop = whole.pixels.start, whole.pixels.start + whole.pixels.nbytes
    rest = whole.contents[:start] + whole.contents[stop:]
    if pixels.is_encapsulated:
        return source, Skeleton(file.name, rest, whole.contents[start:stop], start)
    known = pixels.planes
    if min(planes) < 0:
        is_known = np.asarray(planes).reshape(-1, *(1,) * (known.ndim - 1)) >= 0
        known = np.where(is_known, known, 0).astype(known.dtype, copy=False)
    value = memoryview(whole.contents)[start:stop]
    kept = skeletons.difference(value, pixels.layout.to_bytes(known))
    return source, Skeleton(
        file.name, rest, kept, start, pixels.layout, len(value), tuple(int(p) for p in planes)
    )


def sidecars_of(
    paths: Sequence[Path], folder: Path
) -> tuple[list[tuple[SourceFile, Skeleton]], list[str]]:
    """Keep files that lie beside the images; also the names of those that are too large.

    They are kept as they are, compressed or not.
    """
    kept, left_out, nbytes = [], [], 0
    for path in paths:
        name = path.relative_to(folder).as_posix()
        size = path.stat().st_size if path.is_file() else -1
        if not 0 <= size <= min(_MAX_SIDECAR_NBYTES, _MAX_SIDECARS_NBYTES - nbytes):
            left_out.append(name)
            continue
        data = path.read_bytes()
        nbytes += len(data)
        digest = hashlib.sha256(data).hexdigest()
        source = SourceFile(name, len(data), digest, digest, "sidecar")
        kept.append((source, Skeleton(name, b"", data)))
    return kept, left_out


def attachment_of(files: Sequence[tuple[SourceFile, Skeleton]], voxels: npt.NDArray[Any]) -> bytes:
    """Write the attachment, and make every file again from it and the voxels.

    Raises
    ------
    MedROIError
        Where a file does not come back; nothing has been written then.
    """
    for source, _ in files:
        if not is_inside(source.name):
            raise InvalidArgument(
                f"{source.name!r} is a name that cannot be unpacked on all systems"
            )
    data = skeletons.packed(skeleton for _, skeleton in files)
    made = skeletons.contents_of(skeletons.unpacked(data), voxels)
    for (source, _), (name, contents) in zip(files, made, strict=True):
        if hashlib.sha256(contents).hexdigest() != source.contents_sha256 or name != source.name:
            raise MedROIError(f"{source.name}: the file did not come back bit by bit")
    return data
