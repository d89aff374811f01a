"""Parts of a chunk's stream straight from the file: HDF5 itself reads whole chunks only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel, codec
from medroi.errors import CorruptStream, MedROIError
from medroi.hdf5.dataset import Chunked
from medroi.plugins import host

_MAGIC = b"MROI"


def descriptor_of(dataset: Any) -> int | None:
    """The open file that holds a dataset's chunks where HDF5 says; None where it may not.

    Files in memory, behind Python or in several pieces have none. What HDF5 still holds back of a
    file that is being written is written first.
    """
    file = dataset.file
    if file.driver != "sec2" or not hasattr(os, "pread") or file.userblock_size != 0:
        return None
    if file.mode != "r":
        if file.id.get_access_plist().get_page_buffer_size()[0] != 0:
            return None
        dataset.id.flush()
    descriptor: int = file.id.get_vfd_handle()
    return descriptor


def read_selection(
    chunked: Chunked,
    descriptor: int,
    offset: tuple[int, ...],
    bounds: Sequence[tuple[int, int]],
    wanted: Sequence[range],
) -> npt.NDArray[Any] | None:
    """Decode a part of a chunk from the ranges of its stream that it needs.

    Parameters
    ----------
    chunked : Chunked
    descriptor : int
        From `descriptor_of`.
    offset : tuple of int
        First voxel of the chunk.
    bounds : sequence of (int, int)
        Half-open, within the chunk.
    wanted : sequence of range
        Per axis the indices within the bounds that matter.

    Returns
    -------
    ndarray or None
        None where the whole chunk has to be asked for: it is not there, it was stored without its
        filter, or what the file holds in this place is not what was expected there. HDF5 then
        gives the chunk or the reason.
    """
    info = chunked.dataset.id.get_chunk_info_by_coord(offset)
    if info.byte_offset is None or info.filter_mask != 0:
        return None
    decoding = codec.decode_selection(
        bounds,
        indices=[np.asarray(indices) for indices in wanted],
        shape=chunked.chunks,
        dtype=chunked.dtype,
        reading=host.reading_of(*_kernel.read_cd_values(chunked.words_to_read)),
    )
    try:
        ranges = next(decoding)
        while True:
            found = [_read(descriptor, info, start, stop) for start, stop in ranges]
            if ranges[0][0] == 0 and not found[0].startswith(_MAGIC):
                raise CorruptStream("no stream begins here")
            ranges = decoding.send([np.frombuffer(data, np.uint8) for data in found])
    except StopIteration as decoded:
        block: npt.NDArray[Any] = decoded.value
        return block
    except (MedROIError, OSError):
        return None


def _read(descriptor: int, info: Any, start: int, stop: int) -> bytes:
    """Bytes of a chunk in the file, as far as the chunk goes."""
    n_bytes = max(min(stop, info.size) - start, 0)
    return os.pread(descriptor, n_bytes, info.byte_offset + start)
