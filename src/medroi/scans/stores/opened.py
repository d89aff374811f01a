"""A store of any kind, opened: what it holds, with the axes of the scan."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scan_region import ATTRIBUTE as REGION
from medroi.scans.stores.air import has_air, merge, open_air
from medroi.scans.stores.attachments import Readers
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.files import Files
from medroi.scans.stores.group.array import ScanArray
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.wholeness import attachments_in, facts_of
from medroi.scans.stores.zarr_array import open_array, reading, stored_in


@dataclass(frozen=True)
class Store:
    """A scan in a store: a Zarr array or group, one of these in a zip file, or an HDF5 dataset.

    Attributes
    ----------
    path : Path, or text with a name
        Of the store: a URL is text.
    array : zarr.Array or Hdf5Array
        The voxels as they are stored.
    in_scan_order : zarr.Array, ScanArray or Hdf5Array
        The same with the axes of the scan, x, y, z(, t): what the functions on chunks take.
    facts : dict or None
        What `pack` wrote beside the voxels; None where it did not write the store.
    digests : dict or None
        What the store has to hold; None where `pack` did not write it.
    axes_reversed : bool
        Whether the stored axes are those of the scan in reverse order.
    air : ScanArray or None
        The air that was kept aside, with the axes of the scan, where `read` is to merge it.
    """

    path: Any
    array: Any
    in_scan_order: Any
    facts: dict[str, Any] | None
    digests: dict[str, Any] | None
    axes_reversed: bool
    _readers: Readers
    air: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the scan."""
        return tuple(self.in_scan_order.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored values."""
        found: np.dtype[Any] = np.dtype(self.array.dtype)
        return found

    @property
    def region(self) -> dict[str, Any] | None:
        """Facts of the region of the whole scan, where the store has them: kept, dropped."""
        found: dict[str, Any] | None = self.in_scan_order.attrs.get(REGION)
        return found

    @property
    def files(self) -> Files | None:
        """The files of the store; None of an HDF5 file."""
        if isinstance(self.in_scan_order, Hdf5Array):
            return None
        return stored_in(self.path, self.in_scan_order)[1]

    def read(self, selection: Any = ...) -> npt.NDArray[Any]:
        """Read voxels, stored values as they are, with the air where the store has it open.

        Parameters
        ----------
        selection : slices and ints
            Along the axes of the scan; all of it without any.
        """
        with reading(self.path, self.in_scan_order):
            voxels = np.asarray(self.in_scan_order[selection])
            if self.air is None:
                return voxels
            # A reader of Zarr's may give memory that is not to be written to.
            voxels = np.require(voxels, requirements="W")
            merge(voxels, np.asarray(self.air[selection]), self.air.fill_value)
            return voxels

    def with_air(self) -> Store:
        """The same store, of which `read` gives every voxel as it was packed.

        Raises
        ------
        InvalidArgument
            Where the store keeps no air.
        CorruptStream
            Where its air is missing, or is not of the scan.
        """
        if not has_air(self.in_scan_order):
            raise InvalidArgument(
                f"{self.path}: keeps no air to merge (air='merge', --air merge): it was "
                "packed without --air keep, or drop-air deleted it"
            )
        with reading(self.path, self.in_scan_order):
            return dataclasses.replace(self, air=open_air(self.path, self.in_scan_order))

    @property
    def attachment_names(self) -> tuple[str, ...]:
        """Names of the files that travel with the scan."""
        return tuple(self._readers)

    def attachment(self, name: str) -> bytes:
        """Read one of the files that travel with the scan.

        Raises
        ------
        InvalidArgument
            Where there is none of that name.
        CorruptStream
            Where it is damaged.
        """
        if name not in self._readers:
            known = ", ".join(self._readers) or "none"
            raise InvalidArgument(
                f"{self.path}: no file {name!r} travels with it; there are: {known}"
            )
        with reading(self.path):
            return self._readers[name]()


def open_store(path: str | Path) -> Store:
    """Open what `pack` wrote, or an array or OME-Zarr group of another program, for reading.

    Parameters
    ----------
    path : path
        A Zarr array or OME-Zarr group in a folder or a zip file, or FILE.h5[/NAME].

    Raises
    ------
    InvalidArgument, CorruptStream
        Where it is not what was packed.
    """
    path = Path(path)
    array = open_array(path)
    with reading(path, array):
        readers = attachments_in(path, array)
    return store_of(path, array, readers)


def store_of(path: Any, array: Any, readers: Readers) -> Store:
    """Make a store of its array.

    Parameters
    ----------
    path : Path
        Of the store; for messages, anything that has a name.
    array : zarr.Array, ScanArray or Hdf5Array
        From `open_array`.
    readers : dict
        Of the files that travel with it.

    Raises
    ------
    InvalidArgument, CorruptStream
        Where it is not what was packed.
    """
    with reading(path, array):
        facts = facts_of(path, array)
    digests = array.attrs.get(DIGESTS)
    return Store(
        path=path,
        array=array.stored if isinstance(array, ScanArray) else array,
        in_scan_order=array,
        facts=facts,
        digests=dict(digests) if isinstance(digests, dict) else None,
        axes_reversed=isinstance(array, ScanArray) and array.axes_reversed,
        _readers=readers,
    )
