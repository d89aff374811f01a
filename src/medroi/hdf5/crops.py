"""Crops of one scan's region, as the chunks of a dataset get them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from medroi import _kernel, arrays, codec
from medroi.errors import InvalidArgument
from medroi.hdf5.dataset import Chunked
from medroi.scan_region import ATTRIBUTE, ScanRegion


class Crops:
    """Chunks of a dataset, each cleared outside the scan's region and then encoded.

    Parameters
    ----------
    chunked : Chunked
        The dataset, of the scan's shape.
    region : ScanRegion
        What is kept of the scan.

    Raises
    ------
    InvalidArgument
        Where the region is that of another scan, or has another background than the dataset.
    """

    def __init__(self, chunked: Chunked, region: ScanRegion) -> None:
        dtype, fill_value = chunked.dtype, chunked.padding
        region.check_fits(chunked.dataset.shape, dtype)
        if arrays.bits_of(np.asarray(fill_value).item(), dtype) != region.background_bits:
            raise InvalidArgument(
                f"the region has background {region.background}, the dataset fillvalue="
                f"{fill_value}, with which HDF5 pads chunks at its edges. Create the dataset with "
                f"fillvalue={region.background}"
            )
        self._chunked, self._region = chunked, region
        self._words = _kernel.cd_values_for_crops(
            chunked.words_to_read,
            region.roi == "mask",
            sum(1 << axis for axis in region.axes),
            not region.has_tiles_in(chunked.chunks),
            region.background_bits,
        )

    def encode(self, offset: Sequence[int], chunk: arrays.Array) -> bytes:
        """Encode the chunk that begins at `offset`, padded behind the edge of the dataset."""
        cleared = self._region.cleared_chunk(chunk, offset)
        coded = self._chunked.plugin.encode(self._words, cleared.reshape(-1).view(np.uint8))
        return codec.stated(coded, self._region)

    def state(self) -> None:
        """Write down in the dataset's attributes what the region drops of the scan."""
        self._chunked.dataset.attrs[ATTRIBUTE] = json.dumps(self._region.facts())
