"""One DICOM file into a data set: with or without preamble and meta header, gzipped or not.

Nothing is allocated for bytes that a file does not have, and what is unpacked is bounded.
"""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.scan import require
from medroi.scans.sources.finding import found
from medroi.scans.sources.reading import source_opened
from medroi.scans.sources.source import SourceFile

# All that stands before the pixels of one image; the rest of a gzipped file is its pixels.
_HEADER_NBYTES = 1 << 26
_PREAMBLE_NBYTES = 128
_MAGIC = b"DICM"
_GZIP_MAGIC = b"\x1f\x8b"
# The elements that may hold the pixels of an image.
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_UNDEFINED_LENGTH = 0xFFFFFFFF
_DEFLATED = b"1.2.840.10008.1.2.1.99"
# The group length, which a meta header begins with, gives the size of what follows it.
_META_PREFIX_NBYTES = 12
# Tags of the groups 2 and 8, with which every data set begins, and the first letters of a VR.
_FIRST_TAG = re.compile(rb"[\x02\x08]\x00..|\x00[\x02\x08]..[A-Z]{2}", re.DOTALL)
_VR = re.compile(rb"[A-Z]{2}")


class NotDicom(InvalidArgument):
    """A file whose bytes do not begin as those of a DICOM file do."""


@dataclass(frozen=True)
class Place:
    """Where the pixels stand in the bytes of a file, gunzipped: `nbytes` from `start` on."""

    start: int
    nbytes: int


@dataclass(frozen=True)
class WholeFile:
    """One file with its pixels.

    Attributes
    ----------
    dataset : Dataset
        All of its elements.
    source : SourceFile
        Its digests.
    contents : bytes
        All of its bytes, gunzipped.
    pixels : Place or None
        Where the value of its pixel element stands in `contents`. None where it cannot be said, as
        of deflated data sets.
    """

    dataset: Any
    source: SourceFile
    contents: bytes
    pixels: Place | None


class _Bounded(io.BufferedReader):
    """A file of which no more is asked than it holds, whatever a length in it claims."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self._nbytes = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most what is left."""
        left = max(0, self._nbytes - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def read_dataset(path: Path, tags: Sequence[str] | None = None) -> Any:
    """Read one DICOM file without its pixels.

    Parameters
    ----------
    path : Path
        The file.
    tags : sequence of str, optional
        Keywords of the elements that are wanted, "Rows" among them; None is all.

    Raises
    ------
    NotDicom
        For a file that holds something else.
    InvalidArgument
        For a damaged one.
    """
    with _unpacked(path) as file:
        return _parsed(file, path, 0, stop_before_pixels=True, tags=tags)[0]


def read_whole(path: Path, name: str, pixels_nbytes: int) -> WholeFile:
    """Read one DICOM file with its pixels, and find where these stand in it.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Under which it is kept.
    pixels_nbytes : int
        Bytes of the decoded pixels, which bound what a gzipped file may unpack to.

    Raises
    ------
    InvalidArgument
        For a damaged file.
    """
    with source_opened(path) as reader:
        limit = _HEADER_NBYTES + pixels_nbytes if reader.is_compressed else path.stat().st_size
        contents = reader.read(limit + 1)
        if len(contents) > limit:
            raise InvalidArgument(
                f"{path}: unpacks to more than {limit} bytes, its header declares {pixels_nbytes} "
                "bytes of pixels"
            )
        source = found(reader.finish(name), lambda: [contents])
    dataset, start = _parsed(io.BytesIO(contents), path, pixels_nbytes, stop_before_pixels=False)
    _check_pixels_whole(dataset, path)
    return WholeFile(dataset, source, contents, _place_of_pixels(dataset, contents, start))


def _parsed(
    file: io.BufferedIOBase,
    path: Path,
    pixels_nbytes: int,
    *,
    stop_before_pixels: bool,
    tags: Sequence[str] | None = None,
) -> tuple[Any, int]:
    """Let pydicom read a file; also how many bytes stand before what it was given."""
    pydicom = require("pydicom", "reading DICOM")
    begin = file.read(_PREAMBLE_NBYTES + len(_MAGIC))
    start, has_preamble = _start_of(begin, path)
    _check_deflated(file, begin, pixels_nbytes, path)
    file.seek(start)
    # Where there is no preamble pydicom goes back to the beginning, which must be the data's.
    content = io.BytesIO(file.read()) if start else file
    try:
        dataset = pydicom.dcmread(
            content,
            stop_before_pixels=stop_before_pixels,
            force=not has_preamble,
            specific_tags=None if tags is None else list(tags),
        )
    except MemoryError as error:
        raise InvalidArgument(f"{path}: needs more memory than there is") from error
    except Exception as error:  # pydicom raises whatever a damaged file provokes
        if _is_too_deep(error):
            raise InvalidArgument(f"{path}: sequences nested too deeply to be read") from error
        raise InvalidArgument(f"{path}: damaged DICOM file: {error}") from error
    if "Rows" not in dataset and tags is None:
        _check_whole(dataset, content, path)
    dataset.buffer = None
    _complete_meta(dataset)
    return dataset, start


def _is_too_deep(error: BaseException | None) -> bool:
    """Whether an error is, or came of, sequences within sequences without end."""
    while error is not None and not isinstance(error, RecursionError):
        error = error.__cause__ or error.__context__
    return error is not None


def _check_pixels_whole(dataset: Any, path: Path) -> None:
    """Refuse pixels that are said to be longer than the file; pydicom takes what there is."""
    for keyword in PIXEL_KEYWORDS:
        raw = dataset.get_item(keyword)
        length, value = getattr(raw, "length", None), getattr(raw, "value", None)
        if length in (None, _UNDEFINED_LENGTH) or not isinstance(value, bytes):
            continue
        if length > len(value):
            raise InvalidArgument(
                f"{path}: unreadable pixel data: {keyword} is said to have {length} bytes, "
                f"{len(value)} are there; the file is cut off, or damaged"
            )


def _place_of_pixels(dataset: Any, contents: bytes, start: int) -> Place | None:
    for keyword in PIXEL_KEYWORDS:
        if keyword not in dataset:
            continue
        # pydicom notes where a value stands until somebody asks for the value itself.
        raw = dataset.get_item(keyword)
        offset, value = getattr(raw, "value_tell", None), getattr(raw, "value", None)
        if offset is None or not isinstance(value, bytes):
            return None
        place = Place(start + offset, len(value))
        is_there = contents[place.start : place.start + place.nbytes] == value
        # Of a deflated data set it is a place in other bytes.
        return place if is_there else None
    return None


def _unpacked(path: Path) -> io.BufferedIOBase:
    """Open a file; the header of one that is gzipped is unpacked into memory."""
    file = _Bounded(io.FileIO(path))
    is_gzip = file.read(2) == _GZIP_MAGIC
    file.seek(0)
    if not is_gzip:
        return file
    file.close()
    with source_opened(path) as stream:
        return io.BytesIO(stream.read(_HEADER_NBYTES + 1))


def _start_of(begin: bytes, path: Path) -> tuple[int, bool]:
    """Where to begin reading, and whether a preamble stands there."""
    if not begin:
        raise NotDicom(f"{path}: an empty file")
    if begin[_PREAMBLE_NBYTES:] == _MAGIC:
        return 0, True
    start = len(_MAGIC) if begin.startswith(_MAGIC) else 0
    tag = begin[start : start + 8]
    # An element in implicit VR has its length where the letters of a VR would be.
    is_short = len(tag) == 8 and (_VR.match(tag[4:]) or int.from_bytes(tag[4:], "little") < 1 << 16)
    if not (_FIRST_TAG.match(tag) and is_short):
        raise NotDicom(f"{path}: {_what(begin)}")
    return start, False


def _what(begin: bytes) -> str:
    text = begin.lstrip()[:15].lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a page of HTML or XML, no DICOM file"
    return "no DICOM file"


def _check_deflated(file: io.BufferedIOBase, begin: bytes, pixels_nbytes: int, path: Path) -> None:
    """Refuse a deflated data set that unpacks to more than it may before pydicom unpacks it."""
    file.seek(0)
    if _DEFLATED not in file.read(1024):
        return
    place = _PREAMBLE_NBYTES + len(_MAGIC) if begin[_PREAMBLE_NBYTES:] == _MAGIC else 0
    file.seek(place)
    prefix = file.read(_META_PREFIX_NBYTES)
    file.seek(place + _META_PREFIX_NBYTES + int.from_bytes(prefix[8:], "little"))
    limit = _HEADER_NBYTES + pixels_nbytes
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacking.decompress(file.read(), limit)
    except zlib.error as error:
        raise InvalidArgument(f"{path}: damaged deflated data ({error})") from error
    if unpacking.unconsumed_tail:
        raise InvalidArgument(
            f"{path}: unpacks to more than {limit} bytes, more than one image has"
        )


def _check_whole(dataset: Any, content: io.BufferedIOBase, path: Path) -> None:
    """Refuse an object that is no image and ends within an element; an image lacks its pixels."""
    elements = list(dataset.values())
    length = getattr(elements[-1], "length", _UNDEFINED_LENGTH) if elements else 0
    if (
        length == _UNDEFINED_LENGTH
        or dataset.file_meta.get("TransferSyntaxUID", "") == _DEFLATED.decode()
    ):
        return
    end = elements[-1].value_tell + length if elements else 0
    nbytes = content.seek(0, io.SEEK_END)
    content.seek(min(end, nbytes))
    if end > nbytes or any(content.read()):
        raise InvalidArgument(f"{path}: a DICOM file that is cut off")


def _complete_meta(dataset: Any) -> None:
    """Note the encoding that was found where no meta header says it; pixels need it."""
    from pydicom import uid

    if "TransferSyntaxUID" in dataset.file_meta:
        return
    is_implicit, is_little_endian = dataset.original_encoding
    if not is_little_endian:
        syntax = uid.ExplicitVRBigEndian
    else:
        syntax = uid.ImplicitVRLittleEndian if is_implicit else uid.ExplicitVRLittleEndian
    dataset.file_meta.TransferSyntaxUID = syntax
