"""Planes of a packed scan, turned as a radiologist looks at them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.access.locating import located
from medroi.scans.access.packed import Packed
from medroi.scans.formats.orientation import nearest_directions
from medroi.serving.blocks import Blocks
from medroi.serving.marks import BoxMarks, StreamMarks
from medroi.serving.store_files import StoreFiles

# The radiological view: the patient's right on the left, front or head up, front on the left.
_UP_OR_LEFT = "RAS"
_TITLES = {"LR": "sagittal", "PA": "coronal", "IS": "axial"}
_ORDER = ("axial", "coronal", "sagittal")
# Elements that a page has a typed array of.
_SENT = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")
# What the decoder of the page knows: the package of js without JPEG 2000, and numbers.
_PAGE_INNERS = ("raw", "deflate", "zstd", "predict3d", "wavelet3d")
_PAGE_ELEMENTS = ("b1", *_SENT, "i8", "u8")
_WINDOW_PERCENT = (1.0, 99.5)


@dataclass(frozen=True)
class Cut:
    """A cut across one axis of the volume, and the way it is turned.

    Attributes
    ----------
    title : str
        "axial", "coronal" or "sagittal".
    axis : int
        Which is cut across.
    column_axis, row_axis : int
        Those that run to the right and down in the picture.
    flips_columns, flips_rows : bool
        Whether they are turned round for that.
    edges : str
        What lies on the left, right, top and bottom.
    """

    title: str
    axis: int
    column_axis: int
    row_axis: int
    flips_columns: bool
    flips_rows: bool
    edges: str

    def turned(self, volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give a volume of one slice as rows of pixels, row 0 on top, column 0 on the left."""
        plane = volume.transpose(self.axis, self.row_axis, self.column_axis)[0]
        rows, columns = (-1 if flips else 1 for flips in (self.flips_rows, self.flips_columns))
        return np.asarray(plane[::rows, ::columns])


class Content:
    """A packed scan, opened for being looked at.

    Parameters
    ----------
    source : path or URL
        As for `medroi.open`.
    air : {"leave", "merge"}
        As for `medroi.open`.

    Raises
    ------
    InvalidArgument
        Where it is no packed scan, or none of at least two axes of real numbers.
    """

    def __init__(self, source: str, *, air: str = "leave") -> None:
        self._merges_air = air == "merge"
        self._store = located(source, None, merges_air=self._merges_air)
        self.packed = Packed(self._store)
        if not 2 <= len(self.packed.shape) <= 7 or self.packed.dtype.kind not in "biuf":
            raise InvalidArgument(
                f"{source}: {self.packed.dtype} of shape {self.packed.shape}; expected a scan of "
                "real numbers with at least two axes"
            )
        self.files = StoreFiles(self._store)
        self.blocks = Blocks(self.packed.array)
        shape = self.packed.shape
        self.volume_shape = (*shape[:3], 1)[:3]
        self.n_frames = int(np.prod(shape[3:], dtype=np.int64))
        self.cuts = cuts_of(self.packed.affine)
        self._marks = self._blocks_of_marks()

    def facts(self) -> dict[str, Any]:
        """Give everything that a page has to know, as JSON values."""
        spacing = [float(length) or 1.0 for length in (*self.packed.spacing_mm, 1.0, 1.0)[:3]]
        return {
            "name": self.packed.name,
            "shape": list(self.packed.shape),
            "dtype": self.sent_dtype.str[1:],
            "stored_dtype": self.packed.dtype.name,
            "n_frames": self.n_frames,
            "background": _finite(self.packed.region.background),
            "metadata": self._metadata(),
            "region": str(self.packed.region),
            "cuts": [
                {
                    "title": cut.title,
                    "n": self.volume_shape[cut.axis],
                    "rows": self.volume_shape[cut.row_axis],
                    "columns": self.volume_shape[cut.column_axis],
                    "row_mm": spacing[cut.row_axis],
                    "column_mm": spacing[cut.column_axis],
                    "edges": cut.edges,
                    "axis": "xyz"[cut.axis],
                    "column_axis": "xyz"[cut.column_axis],
                    "row_axis": "xyz"[cut.row_axis],
                    "flips_columns": cut.flips_columns,
                    "flips_rows": cut.flips_rows,
                }
                for cut in self.cuts
            ],
        }

    @property
    def sent_dtype(self) -> np.dtype[Any]:
        """Of the elements of planes, little-endian."""
        dtype = self.packed.dtype
        code = "u1" if dtype.kind == "b" else dtype.str[1:]
        return np.dtype("<" + (code if code in _SENT else "f4" if code == "f2" else "f8"))

    def plane(self, cut: Cut, index: int, frame: int) -> npt.NDArray[Any]:
        """Give the stored values of one cut, turned."""
        return self._turned(self.blocks, cut, index, frame).astype(self.sent_dtype)

    def kept_plane(self, cut: Cut, index: int, frame: int) -> npt.NDArray[np.uint8]:
        """Give a 1 for each pixel of a cut inside the region, turned, else a 0."""
        return self._turned(self._marks, cut, index, frame).astype(np.uint8)

    def close(self) -> None:
        """Let go of the store."""
        self.packed.close()

    def _turned(self, blocks: Blocks, cut: Cut, index: int, frame: int) -> npt.NDArray[Any]:
        bounds = [(0, size) for size in self.packed.shape[:3]]
        if cut.axis < len(bounds):
            bounds[cut.axis] = (index, index + 1)
        for size in self.packed.shape[3:]:
            bounds.append((frame % size, frame % size + 1))
            frame //= size
        shape = [self.volume_shape[axis] if axis != cut.axis else 1 for axis in range(3)]
        return cut.turned(blocks.read(tuple(bounds)).reshape(shape, order="F"))

    def _blocks_of_marks(self) -> Blocks:
        """From the streams of a store that is here; of one behind a URL, the box alone."""
        store = self._store
        if not isinstance(store.path, Path):
            return Blocks(BoxMarks(self.packed.array, self.packed.region.box))
        # The voxels of the scan alone, without its air.
        scan = Blocks(store.in_scan_order) if self._merges_air else self.blocks
        return Blocks(StreamMarks(store, scan))

    def _metadata(self) -> dict[str, Any] | None:
        """Give what a page has to know to decode the store itself; None where it cannot."""
        # The page would decode the scan alone.
        if self._merges_air or self.packed.dtype.str[1:] not in _PAGE_ELEMENTS:
            return None
        try:
            found = self.files.metadata()
            inners = [inner for node in found.values() for inner in _inners(node.get("codecs", ()))]
        except (ValueError, TypeError, LookupError, AttributeError):
            # Zarr could read it, and a page may not.
            return None
        return found if inners and set(inners) <= set(_PAGE_INNERS) else None

    def window(self) -> list[float]:
        """Give the values that are black and white at first, from the middle cuts."""
        middles = [self.plane(cut, self.volume_shape[cut.axis] // 2, 0) for cut in self.cuts]
        values = np.concatenate([plane.astype(np.float64).ravel() for plane in middles])
        values = values[np.isfinite(values)]
        tissue = values[values != self.packed.region.background]
        if tissue.size == 0:
            return [0.0, 1.0]
        low, high = (float(value) for value in np.percentile(tissue, _WINDOW_PERCENT))
        return [low, high if high > low else low + 1.0]


def _inners(codecs: Any) -> list[str]:
    """Name the inner codec of each MedROI codec, also inside shards; "" stands for other codecs."""
    found = []
    for codec in codecs:
        name, config = codec["name"], codec.get("configuration", {})
        if name == "sharding_indexed":
            found += _inners(config["codecs"])
        elif name == "medroi":
            inner = config.get("inner", "")
            found.append(str(inner.get("id", "") if isinstance(inner, dict) else inner))
        else:
            found.append("")
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def cuts_of(affine: npt.NDArray[np.float64]) -> list[Cut]:
    """Give the three cuts of a volume, axial first.

    Where the affine is of no use, its axes are taken to be those of the patient.
    """
    directions = nearest_directions(affine) or ("LR", "PA", "IS")
    found = []
    for axis, direction in enumerate(directions):
        others = [other for other in range(3) if other != axis]
        # Left-right, or front-back of a sagittal cut, runs along the rows; what is left runs down.
        others.sort(key=lambda other: ("LR", "PA", "IS").index(_plain(directions[other])))
        column_axis, row_axis = others
        across, down = directions[column_axis], directions[row_axis]
        flips_columns, flips_rows = across[0] not in _UP_OR_LEFT, down[0] not in _UP_OR_LEFT
        across = across[::-1] if flips_columns else across
        down = down[::-1] if flips_rows else down
        found.append(
            Cut(
                title=_TITLES[_plain(direction)],
                axis=axis,
                column_axis=column_axis,
                row_axis=row_axis,
                flips_columns=flips_columns,
                flips_rows=flips_rows,
                edges=across + down,
            )
        )
    return sorted(found, key=lambda cut: _ORDER.index(cut.title))


def _plain(direction: str) -> str:
    return direction if direction in _TITLES else direction[::-1]
