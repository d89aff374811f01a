"""A store that was opened, its voxels in the order of the scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.zarr_array import chunk_stream


@dataclass(frozen=True, eq=False)
class Store:
    """An array, and what `pack` wrote beside it.

    Attributes
    ----------
    path : Path or Url
    array : zarr.Array or Hdf5Array
        As it is stored.
    facts : dict or None
        Notes of `pack`; None where it did not write the array.
    axes_reversed : bool
        Whether the array's axes are those of the scan in reverse.
    """

    path: Any
    array: Any
    facts: dict[str, Any] | None
    axes_reversed: bool = False

    @property
    def region_facts(self) -> dict[str, Any]:
        """The region of the whole scan, as its writer noted it."""
        return dict(self.array.attrs[REGION])

    def stream(self, position: tuple[int, ...]) -> bytes | None:
        """The bytes of one chunk; None where it was never written."""
        if isinstance(self.path, Path):
            return chunk_stream(self.path, self.array, position)
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        key = self.array.metadata.encode_chunk_key(position)
        found = sync((self.array.store_path / key).get(default_buffer_prototype()))
        return None if found is None else bytes(found.to_bytes())

    def read(self, selection: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read a box of voxels, given and returned in the order of the scan."""
        if self.axes_reversed:
            return np.asarray(self.array[selection[::-1]]).T
        return np.asarray(self.array[selection])

    def close(self) -> None:
        """Let go of the files."""
        if isinstance(self.array, Hdf5Array):
            return
