"""TIFF files (.tif, .tiff) of one page or several of one size, which are the slices of a volume.

The voxels of pages that are not compressed lie in strips. The strips and tiles of others are made
again of the voxels where deflate compressed them, or kept (`sources.chunks`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.formats.elements import Elements, read_elements, vectors
from medroi.scans.formats.files import read_exactly, read_footer
from medroi.scans.scan import Scan, checked_dtype, require
from medroi.scans.sources import deflate
from medroi.scans.sources.chunks import Chunk, Grid, Settings, with_file
from medroi.scans.sources.reading import source_opened
from medroi.scans.sources.source import Piece, SourceFile
from medroi.working_memory import WorkingMemory

SUFFIXES = (".tif", ".tiff")

# Codes of no compression and of deflate in a TIFF file.
_PLAIN, _DEFLATE = 1, (8, 32946)
_MAX_PAGES = 1 << 16
_MAX_NBYTES = 1 << 40


@dataclasses.dataclass(frozen=True)
class _Pages:
    """Pages of one size: (columns, rows, slices) of voxels of several numbers, and their strips."""

    shape: tuple[int, int, int]
    n_channels: int
    dtype: np.dtype[Any]
    strips: list[tuple[int, int]] | None
    grid: Grid | None = None
    chunks: tuple[Chunk, ...] = ()
    is_plain: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        n_pixels = self.shape[0] * self.shape[1] * self.shape[2]
        return n_pixels * self.n_channels * self.dtype.itemsize


def read(path: Path, memory: WorkingMemory, *, remakes: bool = True) -> Scan:
    """Read the pages of one file as slices.

    Parameters
    ----------
    path : Path
        The file.
    memory : WorkingMemory
        For the voxels.
    remakes : bool
        Find out how compressed pages, of a file for which there is memory, are made again; else
        such a file does not come back.
    """
    tifffile = require("tifffile", "reading TIFF", "pictures")
    with _silent(), tifffile.TiffFile(path) as tiff:
        pages = _pages(tiff, path)
        # The pixels of compressed pages are decoded here.
        decoded = _decoded(tiff, pages, path, memory) if pages.strips is None else None
    notes: tuple[str, ...] = (
        "a picture does not say how large its pixels are; 1 mm is stored for all axes",
    )
    sources: tuple[SourceFile, ...] = ()
    header = footer = b""
    remakes = remakes and pages.nbytes <= memory.array_nbytes
    if decoded is None:
        buffer, header, footer, source = _in_strips(path, pages, memory)
        sources = (source,)
    else:
        buffer = decoded
        if not remakes:
            notes += (
                "the pages of the TIFF file are compressed or cut into tiles: it does not come "
                "back as TIFF, its voxels come back as NIfTI",
            )
    if pages.n_channels == 1:
        elements = Elements(checked_dtype(pages.dtype, path), [])
    else:
        elements = vectors(pages.dtype, pages.n_channels, colour=True, path=path)

    def in_shape(shape: tuple[int, ...]) -> npt.NDArray[Any]:
        values = buffer.view(pages.dtype)
        if not pages.dtype.isnative:
            values = values.byteswap(inplace=True).view(pages.dtype.newbyteorder("="))
        return values.reshape(shape, order="F")

    flat = pages.shape[:2] if pages.shape[2] == 1 and pages.n_channels == 1 else pages.shape
    voxels, details = read_elements(in_shape, flat, elements, memory)
    scan = Scan(
        voxels=voxels,
        kind="pictures",
        affine=np.eye(4),
        header=header,
        footer=footer,
        byte_order=">" if pages.dtype.str[0] == ">" else "<",
        meaning="colour" if details else "",
        details=details,
        notes=notes,
        sources=sources,
    )
    if decoded is None or not remakes:
        return scan
    candidates: Iterable[Settings] = [None]
    if not pages.is_plain:
        candidates = itertools.chain(
            deflate.of_zlib(deflate.LEVELS), deflate.of_libdeflate(), deflate.of_zlib_ng()
        )
    return with_file(scan, path.name, path.read_bytes(), pages.grid, pages.chunks, candidates)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep from stderr the log of a reader whose errors are raised, where nobody asked for it."""
    handler, log = logging.NullHandler(), logging.getLogger("tifffile")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _decoded(tiff: Any, pages: _Pages, path: Path, memory: WorkingMemory) -> npt.NDArray[np.uint8]:
    """Decode page by page, into the byte order of the file."""
    buffer = memory.array((pages.nbytes,), np.uint8)
    nbytes = pages.nbytes // pages.shape[2]
    for index, page in enumerate(tiff.pages):
        pixels = np.asarray(page.asarray())
        if pixels.nbytes != nbytes or pixels.dtype != pages.dtype.newbyteorder("="):
            raise InvalidArgument(f"{path}: pages of different sizes or types")
        place = buffer[index * nbytes : (index + 1) * nbytes].view(pages.dtype)
        place[...] = pixels.reshape(-1)
    return buffer


def _pages(tiff: Any, path: Path) -> _Pages:
    """Say what the pages hold, and where, if it lies in strips of plain bytes."""
    pages = list(tiff.pages[: _MAX_PAGES + 1])
    if not 1 <= len(pages) <= _MAX_PAGES:
        raise InvalidArgument(f"{path}: {len(pages)} pages; expected 1 to {_MAX_PAGES}")
    if _follows(tiff, pages[-1]):
        raise InvalidArgument(
            f"{path}: page {len(pages)} names another behind it, which is not there; it is "
            "truncated"
        )
    first = pages[0]
    if first.dtype is None or first.ndim not in (2, 3) or first.planarconfig != 1:
        raise InvalidArgument(
            f"{path}: pages of {first.ndim} axes, or whose colours lie apart; write it anew with "
            "tifffile or ImageJ"
        )
    height, width = first.imagelength, first.imagewidth
    n_channels = first.samplesperpixel
    dtype = np.dtype(first.dtype).newbyteorder(tiff.byteorder)
    n_slices = _n_slices(tiff, pages)
    found = _Pages((width, height, n_slices), n_channels, dtype, None)
    if n_channels not in (1, 3, 4) or not 0 < found.nbytes <= _MAX_NBYTES:
        raise InvalidArgument(f"{path}: {width} x {height} pixels of {n_channels} numbers")
    if n_slices > len(pages):
        return _behind_one_page(found, first, path)
    strips: list[tuple[int, int]] = []
    for page in pages:
        if (page.shape, page.dtype) != (first.shape, first.dtype):
            raise InvalidArgument(f"{path}: pages of different sizes or types")
        plain = page.compression == 1 and not page.is_tiled and page.fillorder == 1
        if not plain or sum(page.databytecounts) * len(pages) != found.nbytes:
            return _with_grid(found, pages)
        strips += zip(page.dataoffsets, page.databytecounts, strict=True)
    ends = [0, *(offset + nbytes for offset, nbytes in sorted(strips))]
    apart = all(end <= at for end, (at, _) in zip(ends[:-1], sorted(strips), strict=True))
    return dataclasses.replace(found, strips=strips) if apart else found


def _with_grid(found: _Pages, pages: list[Any]) -> _Pages:
    """Say where strips or tiles are, if all are alike, and compressed by deflate or not at all."""
    first = pages[0]
    if first.is_tiled:
        chunk = (1, first.tilelength, first.tilewidth, found.n_channels)
    else:
        chunk = (1, min(first.rowsperstrip, first.imagelength), first.imagewidth, found.n_channels)
    kind = (first.compression, first.predictor, first.fillorder, chunk)
    chunks, (n_down, n_across) = (
        [],
        (-(-size // edge) for size, edge in zip(found.shape[1::-1], chunk[1:3], strict=True)),
    )
    for number, page in enumerate(pages):
        edges = (page.tilelength, page.tilewidth) if page.is_tiled else (chunk[1], chunk[2])
        same = (page.compression, page.predictor, page.fillorder, (1, *edges, found.n_channels))
        n_parts = len(page.dataoffsets)
        if same != kind or page.is_tiled != first.is_tiled or n_parts != n_down * n_across:
            return found
        chunks += [
            Chunk(offset, nbytes, (number, k // n_across * chunk[1], k % n_across * chunk[2], 0))
            for k, (offset, nbytes) in enumerate(
                zip(page.dataoffsets, page.databytecounts, strict=True)
            )
        ]
    if kind[0] not in (_PLAIN, *_DEFLATE) or kind[1] not in (1, 2) or kind[2] != 1:
        return found
    grid = Grid(
        shape=(*found.shape[::-1], found.n_channels),
        chunk=chunk,
        dtype=found.dtype,
        filter="difference" if kind[1] == 2 else "",
        fill=bytes(found.dtype.itemsize) if first.is_tiled else None,
    )
    is_plain = kind[0] == _PLAIN
    return dataclasses.replace(found, grid=grid, chunks=tuple(chunks), is_plain=is_plain)


def _n_slices(tiff: Any, pages: list[Any]) -> int:
    """Count the slices: ImageJ describes a stack above 4 GB by its first page alone."""
    if len(pages) > 1 or not tiff.is_imagej:
        return len(pages)
    n_images = (tiff.imagej_metadata or {}).get("images", 1)
    return n_images if isinstance(n_images, int) and n_images > 1 else 1


def _behind_one_page(found: _Pages, first: Any, path: Path) -> _Pages:
    """Say where the pixels of a stack lie that has one page: all behind each other."""
    offsets, sizes = first.dataoffsets, first.databytecounts
    joined = all(
        offset + nbytes == after
        for offset, nbytes, after in zip(offsets[:-1], sizes[:-1], offsets[1:], strict=True)
    )
    nbytes = found.nbytes // found.shape[2]
    if first.compression != 1 or first.is_tiled or first.fillorder != 1 or not joined:
        raise InvalidArgument(
            f"{path}: a stack of ImageJ of {found.shape[2]} slices of which one page is described, "
            "and that is compressed; save it anew with ImageJ, as slices or as NIfTI"
        )
    strips = [(offsets[0] + index * nbytes, nbytes) for index in range(found.shape[2])]
    return dataclasses.replace(found, strips=strips)


def _follows(tiff: Any, page: Any) -> bool:
    """Whether a page names another one behind it; of a page that is cut off nobody knows."""
    layout, file = tiff.tiff, tiff.filehandle
    file.seek(page.offset)
    n_tags = int.from_bytes(
        file.read(layout.tagnosize), "big" if tiff.byteorder == ">" else "little"
    )
    file.seek(page.offset + layout.tagnosize + n_tags * layout.tagsize)
    pointer = file.read(layout.offsetsize)
    return len(pointer) < layout.offsetsize or any(pointer)


def _in_strips(
    path: Path, pages: _Pages, memory: WorkingMemory
) -> tuple[npt.NDArray[np.uint8], bytes, bytes, SourceFile]:
    """Read a file front to back; what stands between strips is its header."""
    if pages.nbytes > path.stat().st_size:
        raise InvalidArgument(
            f"{path}: its pages are said to hold {pages.nbytes} bytes of pixels, more than the "
            "file; it is truncated or compressed once more"
        )
    strips = pages.strips or []
    starts = np.cumsum([0, *(nbytes for _, nbytes in strips)]).tolist()
    placed = sorted(
        (offset, nbytes, at) for (offset, nbytes), at in zip(strips, starts, strict=False)
    )
    header, pieces = bytearray(), list[Piece]()
    buffer = memory.array((pages.nbytes,), np.uint8)
    with source_opened(path) as file:
        for offset, nbytes, at in placed:
            before = read_exactly(file, offset - file.position, path, "bytes before a strip")
            pieces.append(("header", len(header), len(header) + len(before)))
            header += before
            buffer[at : at + nbytes] = np.frombuffer(
                read_exactly(file, nbytes, path, "pixels"), np.uint8
            )
            pieces.append(("voxels", at, at + nbytes))
        footer = read_footer(file, path)
        source = file.finish()
    if file.is_compressed:
        raise InvalidArgument(f"{path}: compressed once more; unpack it first")
    pieces.append(("footer", 0, len(footer)))
    kept = tuple(piece for piece in pieces if piece[1] < piece[2])
    return buffer, bytes(header), footer, dataclasses.replace(source, pieces=kept)
