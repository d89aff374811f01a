"""The pixels of a series: the stored integers of every slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans.dicom.bytes import read_dataset
from medroi.scans.dicom.files import listed
from medroi.scans.dicom.geometry import number


def read_stack(paths: Sequence[Path], first: Any) -> tuple[npt.NDArray[Any], list[str]]:
    """Read the slices of a series into an array (slice, row, column).

    Parameters
    ----------
    paths : sequence of Path
        The files, in order.
    first : Dataset
        The header of the first; the others agree with it.

    Returns
    -------
    stack : ndarray
    notes : list of str
        What a user should know of it.

    Raises
    ------
    InvalidArgument
        Naming the first few slices whose pixels cannot be read, and how many there are.
    InnerUnavailable
        Where the decoder of compressed pixels is not installed.
    """
    dtype = _stored_dtype(paths[0], first)
    stack: npt.NDArray[Any] | None = None
    failures: list[InvalidArgument] = []
    n_overlaid = 0
    for index, path in enumerate(paths):
        try:
            pixels, has_overlay = _stored_slice(path, dtype, first)
        except InvalidArgument as error:
            failures.append(error)
            continue
        n_overlaid += has_overlay
        if stack is None:
            # Only a slice that was really read proves that the header's size may be allocated.
            stack = np.empty((len(paths), *pixels.shape), dtype=dtype)
        stack[index] = pixels
    if len(failures) == 1 or stack is None:
        raise failures[0]
    if failures:
        raise InvalidArgument(
            f"{paths[0].parent}: the pixels of {len(failures)} of {len(paths)} slices cannot be "
            f"read: {listed([str(error) for error in failures])}"
        )
    note = (
        f"{n_overlaid} slices hold something in the bits above the {first.BitsStored} stored ones "
        "(an overlay?), which is left out"
    )
    return stack, [note] if n_overlaid else []


def _stored_dtype(path: Path, dataset: Any) -> np.dtype[Any]:
    allocated, stored = (
        number(path, dataset, f"Bits{what}", 0) for what in ("Allocated", "Stored")
    )
    if allocated not in (8, 16, 32) or stored % 1 or not 1 <= stored <= allocated:
        raise InvalidArgument(
            f"{path}: {stored:g} bits stored in {allocated:g}; expected 8, 16 or 32 bits allocated"
        )
    high_bit = number(path, dataset, "HighBit", stored - 1)
    if high_bit != stored - 1:
        raise InvalidArgument(
            f"{path}: the high bit is {high_bit:g}; expected {stored - 1:g} for {stored:g} bits"
        )
    kind = "i" if dataset.get("PixelRepresentation", 0) else "u"
    return np.dtype(f"{kind}{int(allocated) // 8}")


def _stored_slice(path: Path, dtype: np.dtype[Any], header: Any) -> tuple[npt.NDArray[Any], bool]:
    """The stored integers of one slice, and whether the bits above them hold something else."""
    shape = (int(header.Rows), int(header.Columns))
    nbytes = shape[0] * shape[1] * dtype.itemsize
    dataset = read_dataset(path, pixels_nbytes=nbytes)
    if "PixelData" not in dataset:
        what = "float pixels" if "FloatPixelData" in dataset else "no pixel data"
        raise InvalidArgument(f"{path}: an image with {what}; it is cut off, or of another kind")
    _check_length(path, dataset, nbytes, shape[1] * dtype.itemsize)
    pixels = _decoded(path, dataset)
    if pixels.shape != shape:
        raise InvalidArgument(
            f"{path}: unreadable pixel data: {pixels.shape} pixels, its header says {shape}"
        )
    unused = dtype.itemsize * 8 - int(dataset.BitsStored)
    values = np.array(pixels, dtype=dtype.newbyteorder("="), copy=True)
    # Bits above the stored ones may carry an overlay: they are no part of the value.
    values = np.asarray(np.right_shift(np.left_shift(values, unused), unused))
    return values, _has_overlay(dataset, dtype, nbytes, unused)


def _has_overlay(dataset: Any, dtype: np.dtype[Any], nbytes: int, unused: int) -> bool:
    """Whether the bits above the stored ones hold something else than copies of the sign."""
    if not unused or _is_encapsulated(dataset):
        return False
    order = "<" if dataset.original_encoding[1] else ">"
    raw = np.frombuffer(dataset.PixelData[:nbytes], f"{order}u{dtype.itemsize}")
    above = {int(value) for value in np.unique(raw >> (dtype.itemsize * 8 - unused))}
    return not above <= ({0, (1 << unused) - 1} if dtype.kind == "i" else {0})


def _check_length(path: Path, dataset: Any, nbytes: int, row_nbytes: int) -> None:
    """Refuse pixels of which some would be left over; what fills up the file is less than a row."""
    element = dataset["PixelData"]
    if element.is_undefined_length or _is_encapsulated(dataset):
        return
    rest = element.value[nbytes:]
    if len(rest) >= row_nbytes or any(rest[1:]):
        raise InvalidArgument(
            f"{path}: unreadable pixel data: {len(element.value)} bytes, its header declares "
            f"{nbytes}; more than one image, or a header of another one"
        )


def _decoded(path: Path, dataset: Any) -> npt.NDArray[Any]:
    try:
        pixels: npt.NDArray[Any] = dataset.pixel_array
    except Exception as error:  # pydicom and its decoders raise whatever a damaged file provokes
        name, is_available = _decoder(dataset)
        why = " ".join(str(error).split())[:160] or type(error).__name__
        if not is_available:
            raise InnerUnavailable(
                f"{path}: pixels compressed as {name}, which needs a decoder: pip install "
                f"pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg ({why})"
            ) from error
        raise InvalidArgument(f"{path}: unreadable pixel data: {why}") from error
    return pixels


def _decoder(dataset: Any) -> tuple[str, bool]:
    """The name of a transfer syntax, and whether what decodes it is installed."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    if not _is_encapsulated(dataset):
        return str(syntax.name), True
    try:
        return str(syntax.name), bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return str(syntax.name), False


def _is_encapsulated(dataset: Any) -> bool:
    try:
        return bool(dataset.file_meta.TransferSyntaxUID.is_encapsulated)
    except ValueError:  # no transfer syntax at all
        return False
