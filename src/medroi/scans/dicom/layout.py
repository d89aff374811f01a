"""The pixels of one file as they lie in its bytes, and both ways between bytes and planes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import number, shown

_ALLOCATED = (1, 8, 16, 32, 64)
_FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
# No element of a file is longer, and frames of encapsulated pixels have to fit into memory too.
_MAX_NBYTES = 1 << 40
# What may stand behind the pixels in their element, to fill it up.
MAX_FILL_NBYTES = 1 << 20


@dataclass(frozen=True)
class PixelLayout:
    """The pixels of one file: `n_frames` of `rows` x `columns`, each a number or a colour.

    Attributes
    ----------
    n_frames, rows, columns : int
        As the header has them.
    kind : str
        ``"i"``, ``"u"`` or ``"f"``.
    allocated, stored, low : int
        Bits of a pixel in the file, of its value, and below its value. One allocated bit: eight
        pixels are packed into each byte, the first one lowest.
    big_endian : bool
        Byte order of what is longer than a byte.
    swapped : bool
        Pixels of one byte lie in words of two, of which the second comes first.
    n_tiles, n_tiles_across : int
        Above 1: a frame is a sheet of so many planes, row by row, `n_tiles_across` in a row.
    samples : int
        Numbers of a pixel. Above 1 planes have them as a last axis.
    planar : bool
        Whether each frame has first the first numbers of all its pixels, then the second ones.
    subsampled : bool
        Whether two neighbours of a row share their colour: the luminance of both, then the blue and
        the red difference. Planes have these twice.
    """

    n_frames: int
    rows: int
    columns: int
    kind: str
    allocated: int
    stored: int
    low: int = 0
    big_endian: bool = False
    swapped: bool = False
    n_tiles: int = 1
    n_tiles_across: int = 1
    samples: int = 1
    planar: bool = False
    subsampled: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels, in native byte order."""
        return np.dtype(f"{self.kind}{max(1, self.allocated // 8)}")

    @property
    def n_numbers(self) -> int:
        """Numbers that the file has of all its pixels."""
        of_pixel = 2 if self.subsampled else self.samples
        return self.n_frames * self.rows * self.columns * of_pixel

    @property
    def _dtype_in_file(self) -> np.dtype[Any]:
        return self.dtype.newbyteorder(">" if self.big_endian else "<")

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, without what fills the element up."""
        return -(-self.n_numbers * self.allocated // 8)

    @property
    def n_planes(self) -> int:
        """Slices that the file holds."""
        return self.n_frames * self.n_tiles

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of one slice."""
        across = self.n_tiles_across
        return self.rows // across, self.columns // across

    def planes(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn pixels as they lie in the file into planes: (plane, row, column[, sample])."""
        if self.subsampled:
            pairs = pixels.reshape(self.n_frames, self.rows, self.columns // 2, 4)
            colours = pairs[..., None, 2:].repeat(2, axis=3)
            found = np.concatenate([pairs[..., :2, None], colours], axis=4)
            return found.reshape(self.n_frames, self.rows, self.columns, 3)
        if self.samples > 1:
            if self.planar:
                frames = (self.n_frames, self.samples, self.rows, self.columns)
                return np.moveaxis(pixels.reshape(frames), 1, 3)
            return pixels.reshape(self.n_frames, self.rows, self.columns, self.samples)
        if self.n_tiles == 1:
            return pixels
        across, (rows, columns) = self.n_tiles_across, self.plane_shape
        tiles = pixels.reshape(self.n_frames, across, rows, across, columns).swapaxes(2, 3)
        tiles = tiles.reshape(self.n_frames, across * across, rows, columns)[:, : self.n_tiles]
        return tiles.reshape(self.n_planes, rows, columns)

    def from_bytes(self, data: bytes) -> npt.NDArray[Any]:
        """Read pixels that are not compressed: planes of values as stored."""
        size = self.n_numbers
        shape = (self.n_frames, self.rows, -1)
        if self.allocated == 1:
            packed = np.frombuffer(data, np.uint8, -(-size // 8))
            pixels = np.unpackbits(packed, count=size, bitorder="little").reshape(shape)
            return self.planes(pixels)
        if self.swapped:
            data = np.frombuffer(data, np.uint16, len(data) // 2).byteswap().tobytes()
        pixels = np.frombuffer(data, self._dtype_in_file, size).reshape(shape)
        return self.planes(self.values(pixels))

    def values(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Take the stored bits out of pixels: what stands above and below is no part of them."""
        values = np.asarray(pixels, self.dtype)
        if self.kind == "f" or self.stored == self.allocated or self.allocated == 1:
            return values
        above = self.allocated - self.low - self.stored
        values = np.right_shift(np.left_shift(values, above), above + self.low)
        return np.asarray(values, self.dtype)

    def to_bytes(self, planes: npt.NDArray[Any]) -> bytes:
        """Write planes as `from_bytes` reads them; bits above and below the values are empty."""
        if self.n_tiles > 1:
            across, (rows, columns) = self.n_tiles_across, self.plane_shape
            tiles = np.zeros((self.n_frames, across * across, rows, columns), planes.dtype)
            tiles[:, : self.n_tiles] = planes.reshape(self.n_frames, self.n_tiles, rows, columns)
            sheets = tiles.reshape(self.n_frames, across, across, rows, columns).swapaxes(2, 3)
            planes = sheets.reshape(self.n_frames, self.rows, self.columns)
        if self.planar:
            planes = np.moveaxis(planes, 3, 1)
        if self.subsampled:
            pairs = planes.reshape(self.n_frames, self.rows, self.columns // 2, 2, 3)
            # The luminance of both, then the colour of the first.
            planes = np.concatenate([pairs[..., 0], pairs[..., 0, 1:]], axis=3)
        if self.allocated == 1:
            return np.packbits(planes.reshape(-1) & 1, bitorder="little").tobytes()
        if self.low:
            planes = np.left_shift(planes, self.low)
        data = planes.astype(self._dtype_in_file, copy=False).tobytes()
        if not self.swapped:
            return data
        even = np.frombuffer(data + b"\0" * (len(data) % 2), np.uint16)
        return even.byteswap().tobytes()

    def to_json(self) -> dict[str, Any]:
        """Return the layout as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> PixelLayout:
        """Read what `to_json` gave, refusing what no file can have.

        Raises
        ------
        ValueError, TypeError
            For anything else.
        """
        layout = cls(**found)
        sizes = (layout.n_frames, layout.rows, layout.columns, layout.n_tiles, layout.samples)
        across = layout.n_tiles_across
        sound = (
            all(type(value) is int for value in (*sizes, across, layout.allocated))
            and type(layout.stored) is type(layout.low) is int
            and min(*sizes, across) >= 1
            and layout.kind in ("i", "u", "f")
            and layout.allocated in _ALLOCATED
            and 1 <= layout.stored <= layout.allocated - layout.low
            and layout.low >= 0
            and layout.n_tiles <= across * across
            and layout.rows % across == layout.columns % across == 0
            and (layout.samples == 1 or across == layout.n_tiles == 1 < layout.allocated)
            and (layout.samples > 1 or not layout.planar)
            and not (layout.subsampled and (layout.samples != 3 or layout.columns % 2))
            and not (layout.subsampled and layout.planar)
            and layout.nbytes <= _MAX_NBYTES
            and not (layout.kind == "f" and layout.allocated < 32)
        )
        if not sound:
            raise ValueError(f"a layout of pixels that no file has: {found}")
        return layout


def layout_of(path: Path, dataset: Any, n_frames: int) -> PixelLayout:
    """Read the layout from a file's header.

    Raises
    ------
    InvalidArgument
        For values that no image has.
    """
    rows, columns = (_size(path, dataset, name) for name in ("Rows", "Columns"))
    little_endian = bool(dataset.original_encoding[1])
    floats = [bits for keyword, bits in _FLOATS.items() if keyword in dataset]
    allocated = number(path, dataset, "BitsAllocated", 0)
    if floats or _is_float_map(dataset):
        bits = floats[0] if floats else int(allocated)
        if bits not in (32, 64):
            raise InvalidArgument(f"{path}: float pixels of {allocated:g} bits; expected 32 or 64")
        layout = PixelLayout(n_frames, rows, columns, "f", bits, bits, 0, not little_endian)
    else:
        layout = _integers(path, dataset, (n_frames, rows, columns), little_endian)
    if layout.nbytes > _MAX_NBYTES:
        raise InvalidArgument(
            f"{path}: unreadable pixel data: its header declares {layout.nbytes} bytes"
        )
    return layout


def _integers(
    path: Path, dataset: Any, shape: tuple[int, int, int], little_endian: bool
) -> PixelLayout:
    allocated, stored = (
        number(path, dataset, f"Bits{what}", 0) for what in ("Allocated", "Stored")
    )
    if allocated not in _ALLOCATED or stored % 1 or not 1 <= stored <= allocated:
        raise InvalidArgument(
            f"{path}: {allocated:g} bits allocated, {stored:g} stored; expected 1, 8, 16, 32 or 64 "
            "allocated and at least one of them stored"
        )
    high = number(path, dataset, "HighBit", stored - 1)
    if high % 1 or not stored - 1 <= high < allocated:
        raise InvalidArgument(
            f"{path}: the high bit is {high:g}, of {stored:g} bits stored in {allocated:g}; "
            f"expected {stored - 1:g} to {allocated - 1:g}"
        )
    signed = number(path, dataset, "PixelRepresentation", 0) != 0 and allocated > 1
    samples = int(number(path, dataset, "SamplesPerPixel", 1))
    interpretation = str(dataset.get("PhotometricInterpretation"))
    subsampled = interpretation.endswith("_422") and not is_encapsulated(dataset)
    if subsampled and shape[2] % 2:
        raise InvalidArgument(
            f"{path}: {interpretation} pixels, of which two share a colour, in {shape[2]} columns; "
            "expected an even number"
        )
    return PixelLayout(
        *shape,
        kind="i" if signed else "u",
        allocated=int(allocated),
        stored=int(stored),
        low=int(high + 1 - stored),
        big_endian=not little_endian,
        swapped=not little_endian and allocated == 8 and not dataset.original_encoding[0],
        samples=samples,
        planar=samples > 1
        and not subsampled
        and number(path, dataset, "PlanarConfiguration", 0) == 1,
        subsampled=subsampled,
    )


def is_encapsulated(dataset: Any) -> bool:
    """Whether the pixels are compressed, frame by frame."""
    try:
        return bool(dataset.file_meta.TransferSyntaxUID.is_encapsulated)
    except (AttributeError, ValueError):  # no transfer syntax at all
        return False


def _is_float_map(dataset: Any) -> bool:
    """Whether a header, read without its pixels, announces pixels that are floats."""
    return "BitsStored" not in dataset and "PixelRepresentation" not in dataset


def _size(path: Path, dataset: Any, keyword: str) -> int:
    size = number(path, dataset, keyword, 0)
    if size % 1 or not 1 <= size < 1 << 16:
        raise InvalidArgument(
            f"{path}: {keyword} is {shown(dataset.get(keyword))}; sizes start at 1"
        )
    return int(size)
