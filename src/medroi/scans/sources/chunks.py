"""Files in which the voxels lie in chunks, compressed or not, made again from the voxels.

One attachment of a store for each such file, ``chunks/NAME``. It begins with ``MCHK`` and a version
byte; the length of an index follows (8 bytes, little-endian), the index in JSON, and every byte of
the file but the chunks that are made again of the voxels, bit for bit. What is not, as of other
compressors than deflate, is among these bytes.

The index has

- ``dtype`` of the voxels in the file, their ``shape``, outermost axis first, and the ``chunk``;
- ``deflate``: the settings of `deflate.compressor`, or null, where nothing is compressed;
- ``filter``: ``"shuffle"`` of HDF5, ``"difference"`` of TIFF's predictor 2, or nothing;
- ``fill``: bytes of an element that fills chunks up at the end of an axis, or null, where they end
  there;
- ``chunks``: for each that is made again its place in the other bytes, its length in the file, and
  where it begins in the voxels;
- ``kept_nbytes``: of the chunks that are not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument, MedROIError
from medroi.scans.scan import Scan
from medroi.scans.sources import deflate
from medroi.scans.sources.pieces import in_file_order
from medroi.scans.sources.source import SourceFile

# Of `SourceFile.container`: the bytes are in an attachment and in the voxels.
CONTAINER: dict[str, Any] = {"kind": "chunks"}
_PREFIX = "chunks/"
_MAGIC = b"MCHK\x01"
_LENGTH_NBYTES = 8
_FILTERS = ("", "shuffle", "difference")
Settings = dict[str, Any] | None
_MAX_CHUNK_NBYTES = 1 << 32


@dataclass(frozen=True)
class Chunk:
    """A chunk in the bytes of a file: where it is, and where in the voxels it begins."""

    offset: int
    nbytes: int
    origin: tuple[int, ...]


@dataclass(frozen=True)
class Grid:
    """The chunks of a file, and how they are compressed.

    Attributes
    ----------
    shape, chunk : tuple of int
        Of the voxels and of a chunk, outermost axis first.
    dtype : dtype
        Of the voxels in the file.
    filter : str
        One of ``""``, ``"shuffle"``, ``"difference"``.
    fill : bytes or None
        An element that fills chunks up at the end of an axis; None where they end there.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    filter: str = ""
    fill: bytes | None = None

    def compressed(
        self, voxels: npt.NDArray[Any], origin: Sequence[int], settings: Settings
    ) -> bytes:
        """Make the chunk that begins at a voxel."""
        ends = [at + size for at, size in zip(origin, self.chunk, strict=True)]
        block = voxels[tuple(slice(at, end) for at, end in zip(origin, ends, strict=True))]
        block = block.astype(self.dtype)
        if self.fill is not None and block.shape != self.chunk:
            whole = np.full(self.chunk, np.frombuffer(self.fill, self.dtype)[0], self.dtype)
            whole[tuple(slice(size) for size in block.shape)] = block
            block = whole
        if self.filter == "difference":
            # Along the rows, whose pixels may have several numbers; integers wrap around.
            block = np.diff(block, axis=2, prepend=block.dtype.type(0)).astype(self.dtype)
        data = block.tobytes()
        if self.filter == "shuffle":
            data = np.frombuffer(data, np.uint8).reshape(-1, self.dtype.itemsize).T.tobytes()
        if settings is None:
            return data
        compressor = deflate.compressor(settings, zlib.MAX_WBITS)
        return bytes(compressor.compress(data) + compressor.flush())


def attachment_of(name: str) -> str:
    """The name of the attachment of a file."""
    return _PREFIX + name


def with_file(
    scan: Scan,
    name: str,
    data: bytes,
    grid: Grid | None = None,
    found: Sequence[Chunk] = (),
    candidates: Iterable[Settings] = (),
) -> Scan:
    """Add a file to a scan, such that it comes back.

    Parameters
    ----------
    scan : Scan
        With the voxels of the file.
    name : str
        Of the file.
    data : bytes
        All of it.
    grid : Grid or None
        None where nothing here makes its chunks.
    found : sequence of Chunk
        Chunks of the grid.
    candidates : iterable of dict or None
        Settings of deflate that may have made them; None is no compression.
    """
    grid = grid or Grid((1,), (1,), np.dtype("u1"))
    in_order = sorted(found, key=lambda chunk: chunk.offset)
    ends = [0, *(chunk.offset + chunk.nbytes for chunk in in_order)]
    if any(end > chunk.offset for end, chunk in zip(ends[:-1], in_order, strict=True)):
        in_order = []  # chunks that overlap are none
    settings, made = _settings_and_made(scan, grid, in_order, data, candidates)
    rest, places, at = bytearray(), [], 0
    for chunk in made:
        rest += data[at : chunk.offset]
        places.append([len(rest), chunk.nbytes, *chunk.origin])
        at = chunk.offset + chunk.nbytes
    rest += data[at:]
    index = {
        "dtype": grid.dtype.str,
        "shape": list(grid.shape),
        "chunk": list(grid.chunk),
        "deflate": settings,
        "filter": grid.filter,
        "fill": None if grid.fill is None else grid.fill.hex(),
        "chunks": places,
        "kept_nbytes": _sum(in_order) - _sum(made) if in_order else len(data),
    }
    text = json.dumps(index, separators=(",", ":")).encode("ascii")
    attachment = _MAGIC + len(text).to_bytes(_LENGTH_NBYTES, "little") + text + bytes(rest)
    digest = hashlib.sha256(data).hexdigest()
    source = SourceFile(name, len(data), digest, digest, container=dict(CONTAINER))
    return dataclasses.replace(
        scan,
        sources=(*scan.sources, source),
        attachments={**scan.attachments, attachment_of(name): attachment},
    )


def _sum(chunks: Sequence[Chunk]) -> int:
    return sum(chunk.nbytes for chunk in chunks)


def _settings_and_made(
    scan: Scan,
    grid: Grid,
    in_order: Sequence[Chunk],
    data: bytes,
    candidates: Iterable[Settings],
) -> tuple[Settings, list[Chunk]]:
    """Find the settings that made the chunks of a file, and those that are made again."""
    if not in_order:
        return None, []
    voxels = _voxels_of(scan, grid)

    def is_made(chunk: Chunk, settings: Settings) -> bool:
        made = grid.compressed(voxels, chunk.origin, settings)
        return made == data[chunk.offset : chunk.offset + chunk.nbytes]

    # The longest one tells settings apart best.
    telling = max(in_order, key=lambda chunk: chunk.nbytes)
    best: tuple[Settings, list[Chunk]] = (None, [])
    for settings in candidates:
        if is_made(telling, settings):
            made = [chunk for chunk in in_order if is_made(chunk, settings)]
            best = (settings, made) if len(made) > len(best[1]) else best
            if len(made) == len(in_order):
                break
    return best


def _voxels_of(scan: Scan, grid: Grid) -> npt.NDArray[Any]:
    """The voxels of a scan as the file has them, outermost axis first."""
    return in_file_order(scan).T.reshape(grid.shape)


def n_kept_bytes(scan: Scan, file: SourceFile) -> int:
    """Compressed bytes of a file that are kept, since nothing here makes them again."""
    return int(_index_of(file.name, scan.attachments[attachment_of(file.name)])[0]["kept_nbytes"])


def with_notes(scan: Scan) -> Scan:
    """Say of which files compressed bytes are kept."""
    kept = [
        (file.name, nbytes)
        for file in scan.sources
        if file.container == CONTAINER and (nbytes := n_kept_bytes(scan, file))
    ]
    notes = tuple(
        f"{name}: its pixels are compressed and cannot be made again from voxels: {nbytes} bytes "
        "are kept beside the voxels; --encapsulated decode (encapsulated='decode') does without, "
        "and without the file"
        for name, nbytes in kept
    )
    return dataclasses.replace(scan, notes=scan.notes + notes)


def without_kept(scan: Scan) -> Scan:
    """Leave out the files of which compressed bytes are kept beside the voxels."""
    left_out = {
        file.name
        for file in scan.sources
        if file.container == CONTAINER and n_kept_bytes(scan, file)
    }
    names = set(map(attachment_of, left_out))
    return dataclasses.replace(
        scan,
        sources=tuple(file for file in scan.sources if file.name not in left_out),
        attachments={k: data for k, data in scan.attachments.items() if k not in names},
    )


def contents(scan: Scan, file: SourceFile, attachment: bytes) -> Iterator[bytes]:
    """Make a file again, piece by piece.

    Parameters
    ----------
    scan : Scan
        With its voxels.
    file : SourceFile
        One of its sources.
    attachment : bytes
        Of this file.

    Raises
    ------
    InvalidArgument
        Where the voxels are not those of the file, and their chunks have other lengths.
    CorruptStream
        Where the attachment is damaged.
    """
    index, rest = _index_of(file.name, attachment)
    at = 0
    try:
        grid, settings = _grid_of(index), index["deflate"]
        # Without chunks the grid is none of the scan's.
        voxels = _voxels_of(scan, grid) if index["chunks"] else np.empty(0)
        for place, nbytes, *origin in index["chunks"]:
            if not at <= place <= len(rest) or len(origin) != len(grid.shape):
                raise ValueError(f"a chunk at {place} of {len(rest)} bytes")
            yield bytes(rest[at:place])
            at = place
            if not all(0 <= a < n for a, n in zip(origin, grid.shape, strict=True)):
                raise ValueError(f"a chunk that begins at {origin} of {grid.shape}")
            made = grid.compressed(voxels, origin, settings)
            if len(made) != nbytes:
                raise InvalidArgument(
                    f"{file.name}: its voxels are compressed within it, and their lengths are "
                    "others now: what was dropped of them has changed them, or another version of "
                    "the compressor; unpack it to NAME.nii.gz, or pack it with --lossless or --air "
                    "keep to have it back"
                )
            yield made
    except MedROIError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(file.name, error) from error
    yield bytes(rest[at:])


def _index_of(name: str, attachment: bytes) -> tuple[dict[str, Any], memoryview]:
    start = len(_MAGIC) + _LENGTH_NBYTES
    stop = start + int.from_bytes(attachment[len(_MAGIC) : start], "little")
    try:
        if attachment[: len(_MAGIC)] != _MAGIC or stop > len(attachment):
            raise ValueError("it does not begin as one of this version does")
        index = json.loads(attachment[start:stop])
        _ = index["chunks"], int(index["kept_nbytes"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(name, error) from error
    return index, memoryview(attachment)[stop:]


def _grid_of(index: dict[str, Any]) -> Grid:
    fill = index["fill"]
    grid = Grid(
        shape=tuple(index["shape"]),
        chunk=tuple(index["chunk"]),
        dtype=np.dtype(index["dtype"]),
        filter=index["filter"],
        fill=None if fill is None else bytes.fromhex(fill),
    )
    sizes = (*grid.shape, *grid.chunk)
    is_sound = (
        all(type(size) is int and size > 0 for size in sizes)
        and len(grid.shape) == len(grid.chunk)
        and math.prod(grid.chunk) * grid.dtype.itemsize <= _MAX_CHUNK_NBYTES
        and grid.dtype.kind in "iuf"
        and grid.filter in _FILTERS
        and (grid.filter != "difference" or (len(grid.shape) > 2 and grid.dtype.kind != "f"))
        and (grid.fill is None or len(grid.fill) == grid.dtype.itemsize)
    )
    if not is_sound:
        raise ValueError("chunks that no file has")
    return grid


def _damaged(name: str, error: Exception) -> CorruptStream:
    why = " ".join(str(error).split())[:200]
    return CorruptStream(f"the attachment {attachment_of(name)!r} is damaged: {why}")
