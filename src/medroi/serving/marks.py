"""Marks of the voxels that a packed scan keeps, as arrays that are made as they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.roi import Box
from medroi.scans.chunking import Selection
from medroi.scans.stores.kept import kept_in_store
from medroi.scans.stores.zarr_array import stream_reader
from medroi.serving.blocks import Blocks


class StreamMarks:
    """Marks out of the streams of a store, one chunk at a time.

    Parameters
    ----------
    store : Store
        Of this machine.
    blocks : Blocks
        Its voxels.
    """

    def __init__(self, store: Any, blocks: Blocks) -> None:
        self.shape, self.dtype, self.chunks = blocks.shape, np.dtype(bool), blocks.chunks
        self._array = store.in_scan_order
        self._stream = stream_reader(store.path, self._array)
        self._blocks = blocks

    def __getitem__(self, selection: Selection) -> npt.NDArray[np.bool_]:
        """Mark what a chunk keeps, which is nothing where there is no stream."""
        position = tuple(
            part.start // chunk for part, chunk in zip(selection, self.chunks, strict=True)
        )
        decoded = self._blocks.block(position)
        stream = self._stream(position)
        if stream is None:
            return np.zeros(decoded.shape, dtype=bool)
        return kept_in_store(self._array, stream, decoded, selection)


class BoxMarks:
    """Marks of a box.

    Parameters
    ----------
    array : array_like
        With the shape and the chunks of the scan.
    box : Box
    """

    def __init__(self, array: Any, box: Box) -> None:
        self.shape, self.dtype, self.chunks = array.shape, np.dtype(bool), array.chunks
        self._box = box

    def __getitem__(self, selection: Selection) -> npt.NDArray[np.bool_]:
        """Mark what of a part of the array lies in the box."""
        marks = np.ones([part.stop - part.start for part in selection], dtype=bool)
        for axis, (part, (start, stop)) in enumerate(zip(selection, self._box, strict=True)):
            along = np.arange(part.start, part.stop)
            shape = [-1 if other == axis else 1 for other in range(marks.ndim)]
            marks &= ((start <= along) & (along < stop)).reshape(shape)
        return marks
