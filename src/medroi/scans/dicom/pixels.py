"""The pixels of one file: its planes as values, and what only its own bytes hold."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans.dicom.bytes import PIXEL_KEYWORDS, WholeFile, read_whole
from medroi.scans.dicom.frames import ImageFile
from medroi.scans.dicom.layout import MAX_FILL_NBYTES, PixelLayout, is_encapsulated


@dataclass(frozen=True)
class Pixels:
    """The pixels of one file.

    Attributes
    ----------
    planes : ndarray
        (plane, row, column[, sample]), the values as stored.
    whole : WholeFile
        The file.
    layout : PixelLayout
        How they lie in it.
    is_encapsulated : bool
        Whether its pixels are compressed.
    has_more_bits : bool
        Whether bits outside the stored ones hold something: an overlay, or values that are larger
        than the header says.
    """

    planes: npt.NDArray[Any]
    whole: WholeFile
    layout: PixelLayout
    is_encapsulated: bool
    has_more_bits: bool


def read_pixels(file: ImageFile) -> Pixels:
    """Read the pixels of one file.

    Raises
    ------
    InvalidArgument
        Where they cannot be read, or are not those that the header declares.
    InnerUnavailable
        Where the decoder of compressed pixels is not installed.
    """
    path, layout = file.path, file.layout
    whole = read_whole(path, file.name, layout.nbytes)
    keyword = next((name for name in PIXEL_KEYWORDS if name in whole.dataset), None)
    if keyword is None:
        raise InvalidArgument(
            f"{path}: an image with no pixel data; it is cut off, or of another kind"
        )
    if (keyword != "PixelData") != (layout.kind == "f"):
        what = "float pixels" if keyword != "PixelData" else "integer pixels"
        raise InvalidArgument(f"{path}: an image with {what}, which its header does not announce")
    if is_encapsulated(whole.dataset):
        pixels = layout.values(_decoded(file, whole.dataset))
        # A decoder gives the numbers of a colour beside each other.
        planes = pixels if layout.samples > 1 else layout.planes(pixels)
        return Pixels(planes, whole, layout, is_encapsulated=True, has_more_bits=False)
    element = whole.dataset[keyword]
    # Only pixels that are written as words are swapped with them.
    layout = dataclasses.replace(layout, swapped=layout.swapped and element.VR == "OW")
    _check_length(file, element.value)
    more = _has_more(file, element.value)
    planes = layout.from_bytes(element.value)
    return Pixels(planes, whole, layout, is_encapsulated=False, has_more_bits=more)


def _check_length(file: ImageFile, data: bytes) -> None:
    """Refuse pixels that are missing or left over; zeros of less than an image fill files up."""
    layout, nbytes = file.layout, file.layout.nbytes
    fill_nbytes = min(nbytes // layout.n_frames, MAX_FILL_NBYTES)
    rest = data[nbytes:]
    if len(data) < nbytes:
        raise InvalidArgument(
            f"{file.path}: unreadable pixel data: {len(data)} bytes, its header declares {nbytes}; "
            "it is cut off, or its header is that of another image"
        )
    if len(rest) >= max(fill_nbytes, 2) or any(rest[1:]):
        raise InvalidArgument(
            f"{file.path}: unreadable pixel data: {len(data)} bytes, its header declares {nbytes}; "
            "more than one image, or a header of another one"
        )


def _has_more(file: ImageFile, data: bytes) -> bool:
    """Whether the bits around the stored ones hold something else than copies of the sign."""
    layout = file.layout
    unused = layout.allocated - layout.stored
    if not unused or layout.kind == "f":
        return False
    order = ">" if layout.big_endian else "<"
    raw = np.frombuffer(data, f"{order}u{layout.allocated // 8}", layout.n_numbers)
    if layout.low and (raw & ((1 << layout.low) - 1)).any():
        return True
    above = unused - layout.low
    if not above:
        return False
    found = {int(value) for value in np.unique(raw >> (layout.allocated - above))}
    return not found <= ({0, (1 << above) - 1} if layout.kind == "i" else {0})


def _decoded(file: ImageFile, dataset: Any) -> npt.NDArray[Any]:
    path, layout = file.path, file.layout
    try:
        pixels: npt.NDArray[Any] = dataset.pixel_array
    except Exception as error:  # pydicom and its decoders raise whatever a damaged file provokes
        name, is_available = _decoder(dataset)
        why = " ".join(str(error).split())[:160] or type(error).__name__
        if not is_available:
            raise InnerUnavailable(
                f"{path}: pixels compressed as {name}, which needs a decoder: pip install "
                f"'medroi[dicom]', or pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg "
                f"({why})"
            ) from error
        raise InvalidArgument(f"{path}: unreadable pixel data: {why}") from error
    shape: tuple[int, ...] = (layout.n_frames, layout.rows, layout.columns)
    shape += (layout.samples,) if layout.samples > 1 else ()
    if pixels.size != math.prod(shape):
        raise InvalidArgument(
            f"{path}: unreadable pixel data: {pixels.shape} pixels, its header says {shape}"
        )
    return pixels.reshape(shape)


def _decoder(dataset: Any) -> tuple[str, bool]:
    """The name of a transfer syntax, and whether what decodes it is installed."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return str(syntax.name), bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return str(syntax.name), False
