"""Voxels of a chunk inside the region of its stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi import stream as streams


def kept_mask(stream: bytes, info: medroi.StreamInfo) -> npt.NDArray[np.bool_]:
    """Mark the voxels that a stream keeps, in an array of the chunk's shape and Fortran order.

    Parameters
    ----------
    stream : bytes
        One whole stream.
    info : StreamInfo
        What `medroi.inspect` says about it.
    """
    kept = np.zeros(info.shape, dtype=bool, order="F")
    inside = tuple(slice(start, stop) for start, stop in info.box)
    if info.roi == "box":
        kept[inside] = True
    elif kept[inside].size:
        kept[inside] = _inside_hull(streams.read_header(np.frombuffer(stream, np.uint8)))
    return kept


def _inside_hull(header: Any) -> npt.NDArray[np.bool_]:
    """Let the hull write its background into a block that holds another value everywhere."""
    order = header.coding_order
    shape = tuple(header.box[axis][1] - header.box[axis][0] for axis in order)
    bits = np.dtype(f"u{header.itemsize}")
    block = np.full(shape, ~bits.type(header.background), dtype=bits)
    untouched = block.flat[0]
    header.apply_hull(header.box, block.reshape(-1).view(np.uint8))
    return np.asarray((block == untouched).transpose(np.argsort(order)))
