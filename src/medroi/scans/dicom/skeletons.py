"""All that the files of a series hold beside their pixels, and the files made again from it.

One attachment of a store, ``dicom``. It begins with ``MDCM`` and a version byte; two streams
follow, each as blocks: length (8 bytes, little-endian) and zstd frame, and a length of 0 at the
end. The first stream is an index in JSON, whose length stands in its first 8 bytes, and behind it
the skeletons: every byte of each file but the value of its pixel element. Headers of a series
differ in a few bytes, which is why they lie beside each other in one stream. The second stream has
what cannot be made from voxels: pixels that are compressed, the bits of pixels that are no part of
a value (as the XOR of the pixels that the voxels give and those of the file), and files that hold
no image.

The index has an entry for each file:

- ``name``; ``skeleton_nbytes``, ``kept_nbytes`` in the two streams;
- ``pixels_at``: where in the skeleton the pixel value stood; absent where all of the file is kept;
- ``layout``: how pixels lie in the bytes (`layout.PixelLayout`); absent where they are kept;
- ``value_nbytes``: bytes of the pixel value, with what fills it up;
- ``planes``: for each plane of the file that of the voxels, counted through time and slices, -1
  where the store has it not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream
from medroi.scans.dicom.layout import MAX_FILL_NBYTES, PixelLayout
from medroi.scans.sources.source import is_inside

NAME = "dicom"
_MAGIC = b"MDCM\x01"
_HEADERS_LEVEL, _KEPT_LEVEL = 19, 3
_BLOCK_NBYTES = 1 << 28
_LENGTH_NBYTES = 8


@dataclass(frozen=True)
class Skeleton:
    """One file without what the voxels give back.

    Attributes
    ----------
    name : str
        Relative, with ``/``.
    rest : bytes
        All but the pixel value; empty where the whole file is in `kept`.
    kept : bytes
        The pixel value where `layout` is None; else what the pixels differ by, or nothing.
    pixels_at : int or None
        Where in `rest` the pixel value belongs.
    layout : PixelLayout or None
    value_nbytes : int
        Of the pixel value, with what fills it up.
    planes : tuple of int
    """

    name: str
    rest: bytes
    kept: bytes = b""
    pixels_at: int | None = None
    layout: PixelLayout | None = None
    value_nbytes: int = 0
    planes: tuple[int, ...] = ()


def difference(value: memoryview, made: bytes) -> bytes:
    """XOR of a pixel value and what the voxels give of it; empty where they are equal."""
    if len(made) < len(value):
        made += bytes(len(value) - len(made))
    first, second = np.frombuffer(value, np.uint8), np.frombuffer(made, np.uint8, len(value))
    return b"" if np.array_equal(first, second) else np.bitwise_xor(first, second).tobytes()


def pixel_value(
    layout: PixelLayout, planes: tuple[int, ...], voxels: npt.NDArray[Any], nbytes: int
) -> bytes:
    """Make the pixel value of one file from the voxels, without what they lack."""
    every = planes_of(voxels, layout.samples)
    found = np.zeros((len(planes), *every.shape[1:]), voxels.dtype)
    for index, plane in enumerate(planes):
        if plane >= 0:
            found[index] = every[plane]
    made = layout.to_bytes(found)
    return made[:nbytes] + bytes(max(0, nbytes - len(made)))


def planes_of(voxels: npt.NDArray[Any], samples: int) -> npt.NDArray[Any]:
    """View voxels (column, row, slice[, time][, sample]) as (plane, row, column[, sample])."""
    stack = voxels.reshape((*voxels.shape[:2], -1), order="F").T
    if samples == 1:
        return stack
    return np.moveaxis(stack.reshape(samples, -1, *stack.shape[1:]), 0, -1)


def packed(skeletons: Iterable[Skeleton]) -> bytes:
    """Write the attachment."""
    entries, headers, kept = [], bytearray(), bytearray()
    for skeleton in skeletons:
        entry: dict[str, Any] = {
            "name": skeleton.name,
            "skeleton_nbytes": len(skeleton.rest),
            "kept_nbytes": len(skeleton.kept),
        }
        if skeleton.pixels_at is not None:
            entry["pixels_at"] = skeleton.pixels_at
        if skeleton.layout is not None:
            entry["layout"] = skeleton.layout.to_json()
            entry["value_nbytes"] = skeleton.value_nbytes
            entry["planes"] = list(skeleton.planes)
        entries.append(entry)
        headers += skeleton.rest
        kept += skeleton.kept
    index = json.dumps({"files": entries}, separators=(",", ":")).encode("ascii")
    first = len(index).to_bytes(_LENGTH_NBYTES, "little") + index + bytes(headers)
    return _MAGIC + _stream(first, _HEADERS_LEVEL) + _stream(bytes(kept), _KEPT_LEVEL)


def _stream(data: bytes, level: int) -> bytes:
    from numcodecs import Zstd

    out = bytearray()
    for start in range(0, len(data), _BLOCK_NBYTES):
        block = bytes(Zstd(level=level).encode(data[start : start + _BLOCK_NBYTES]))
        out += len(block).to_bytes(_LENGTH_NBYTES, "little") + block
    return bytes(out) + bytes(_LENGTH_NBYTES)


def unpacked(attachment: bytes) -> list[Skeleton]:
    """Read the attachment.

    Raises
    ------
    CorruptStream
        Where it is not what `packed` wrote.
    """
    try:
        return _unpacked(attachment)
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError, MemoryError) as error:
        why = " ".join(str(error).split())[:200]
        raise CorruptStream(f"the attachment {NAME!r} is damaged: {why}") from error


def _unpacked(attachment: bytes) -> list[Skeleton]:
    if attachment[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it does not begin as one of this version does")
    first, end = _read_stream(attachment, len(_MAGIC))
    kept, end = _read_stream(attachment, end)
    if end != len(attachment):
        raise ValueError("bytes stand behind its end")
    nbytes = int.from_bytes(first[:_LENGTH_NBYTES], "little")
    headers = memoryview(first)[_LENGTH_NBYTES + nbytes :]
    index = json.loads(first[_LENGTH_NBYTES : _LENGTH_NBYTES + nbytes])
    found, at_header, at_kept = [], 0, 0
    for entry in index["files"]:
        sizes = (entry["skeleton_nbytes"], entry["kept_nbytes"])
        if not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError(f"sizes {sizes}")
        if at_header + sizes[0] > len(headers) or at_kept + sizes[1] > len(kept):
            raise ValueError(f"{entry['name']!r} is longer than what there is")
        skeleton = bytes(headers[at_header : at_header + sizes[0]])
        found.append(_skeleton(entry, skeleton, bytes(kept[at_kept : at_kept + sizes[1]])))
        at_header, at_kept = at_header + sizes[0], at_kept + sizes[1]
    if (at_header, at_kept) != (len(headers), len(kept)):
        raise ValueError("more bytes than its files have")
    return found


def _skeleton(entry: dict[str, Any], skeleton: bytes, kept: bytes) -> Skeleton:
    name, place = entry["name"], entry.get("pixels_at")
    if not isinstance(name, str) or not is_inside(name):
        raise ValueError(f"{name!r} is no name of a file within a folder")
    if place is not None and not (type(place) is int and 0 <= place <= len(skeleton)):
        raise ValueError(f"pixels at {place!r} of {len(skeleton)} bytes")
    if "layout" not in entry:
        return Skeleton(name, skeleton, kept, place)
    layout, planes = PixelLayout.from_json(entry["layout"]), tuple(entry["planes"])
    if place is None or len(planes) != layout.n_planes:
        raise ValueError(f"{name!r} has {len(planes)} planes of {layout.n_planes}")
    if not all(type(plane) is int and plane >= -1 for plane in planes):
        raise ValueError(f"{name!r} has planes that are no numbers")
    nbytes = entry["value_nbytes"]
    # What fills a value up is bounded; nothing is made for a length that only claims.
    is_near = type(nbytes) is int and layout.nbytes <= nbytes <= layout.nbytes + MAX_FILL_NBYTES
    if not is_near or len(kept) not in (0, nbytes):
        raise ValueError(f"{name!r} has a pixel value of {nbytes!r} bytes, {len(kept)} kept")
    return Skeleton(name, skeleton, kept, place, layout, nbytes, planes)


def _read_stream(attachment: bytes, start: int) -> tuple[bytes, int]:
    from numcodecs import Zstd

    out = bytearray()
    while True:
        nbytes = int.from_bytes(attachment[start : start + _LENGTH_NBYTES], "little")
        start += _LENGTH_NBYTES
        if start + nbytes > len(attachment):
            raise ValueError("it is cut off")
        if nbytes == 0:
            return bytes(out), start
        out += Zstd().decode(attachment[start : start + nbytes])
        start += nbytes


def contents_of(
    skeletons: Iterable[Skeleton], voxels: npt.NDArray[Any]
) -> Iterator[tuple[str, bytes]]:
    """Make each file again.

    Parameters
    ----------
    skeletons : iterable of Skeleton
    voxels : ndarray
        (column, row, slice[, time][, sample]) as they were packed.

    Yields
    ------
    name : str
    contents : bytes
        Of the file, gunzipped.

    Raises
    ------
    CorruptStream
        Where the voxels are not of the shape or type that the skeletons need.
    """
    for skeleton in skeletons:
        place = skeleton.pixels_at or 0
        value = _value(skeleton, skeleton.layout, voxels) if skeleton.layout else skeleton.kept
        yield skeleton.name, skeleton.rest[:place] + value + skeleton.rest[place:]


def _value(skeleton: Skeleton, layout: PixelLayout, voxels: npt.NDArray[Any]) -> bytes:
    rows, columns = layout.plane_shape
    n_planes = int(np.prod(voxels.shape[2:], dtype=np.int64)) // layout.samples
    n_more = int(layout.samples > 1)
    fits = (
        voxels.ndim - n_more in (3, 4)
        and (n_more == 0 or voxels.shape[-1] == layout.samples)
        and voxels.shape[:2] == (columns, rows)
        and voxels.dtype == layout.dtype
        and max(skeleton.planes) < n_planes
    )
    if not fits:
        raise CorruptStream(
            f"{skeleton.name}: {layout.n_planes} planes of {(columns, rows)} {layout.dtype} do not "
            f"lie in voxels of shape {voxels.shape}, {voxels.dtype}"
        )
    made = pixel_value(layout, skeleton.planes, voxels, skeleton.value_nbytes)
    if not skeleton.kept:
        return made
    first, second = (np.frombuffer(data, np.uint8) for data in (made, skeleton.kept))
    return np.bitwise_xor(first, second).tobytes()
