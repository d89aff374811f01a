"""A packed scan, as `medroi.open` gives it."""

from __future__ import annotations

import os
from functools import cached_property, partial
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.access.data_array import data_array
from medroi.scans.access.finding_region import region_of
from medroi.scans.access.kept_region import KeptRegion
from medroi.scans.access.lazy_array import LazyArray
from medroi.scans.access.locating import located
from medroi.scans.access.nibabel_image import header_of, image_of
from medroi.scans.access.scaled_array import scaled
from medroi.scans.access.times import times_of
from medroi.scans.scaling import Scaling, scaling_of
from medroi.scans.scan import Scan
from medroi.scans.sources.source import SourceFile
from medroi.scans.stores.opened import Store
from medroi.scans.stores.zarr_array import foreign_scan, medroi_config, reading, scan_of

_NAMES_OF_KINDS = {
    "nifti": "NIfTI",
    "pair": "a NIfTI pair",
    "analyze": "an Analyze pair",
    "mgz": "FreeSurfer",
    "nrrd": "NRRD",
    "meta": "MetaImage",
    "minc": "MINC",
    "pictures": "pictures",
    "dicom": "DICOM",
    "array": "an array",
}


def open_packed(
    source: str | os.PathLike[str],
    *,
    storage_options: dict[str, Any] | None = None,
    air: str = "leave",
) -> Packed:
    """Open a packed scan for reading; voxels are read when they are asked for.

    Parameters
    ----------
    source : path or URL
        A store that `medroi pack` wrote: ``NAME.ome.zarr``, ``NAME.zarr`` or ``FILE.h5[/NAME]``, or
        a Zarr store behind ``https://``, ``s3://`` or any other URL that fsspec reads. An array
        that another program wrote with MedROI is opened too, with the little that it says.
    storage_options : dict, optional
        For fsspec, of a URL: ``{"anon": True}`` for a public bucket.
    air : {"leave", "merge"}
        ``"merge"`` gives every voxel as it was packed, of a store that keeps its air aside (``pack
        --air keep``): chunks of both are read when their voxels are asked for. ``"leave"`` gives
        the background there.

    Returns
    -------
    Packed

    Raises
    ------
    InvalidArgument
        Where there is no such store, or none that keeps its air.
    CorruptStream
        Where chunks are missing. That the others are whole, `medroi.check` tells.
    InnerUnavailable
        Where what reads such a store or URL is not installed.

    Examples
    --------
    >>> import medroi
    >>> with medroi.open("head.ome.zarr") as head:      # doctest: +SKIP
    ...     middle = head.array[:, :, 96]
    ...     image = head.to_nibabel()
    """
    if air not in ("leave", "merge"):
        raise InvalidArgument(f"air={air!r}: expected 'leave' or 'merge'")
    return Packed(located(source, storage_options, merges_air=air == "merge"), storage_options)


class Packed:
    """A packed scan: its voxels, read when they are asked for, and what they mean.

    `medroi.open` makes it. In a ``with`` statement it is closed at the end.
    """

    def __init__(self, store: Store, storage_options: dict[str, Any] | None = None) -> None:
        self._store = store
        self._storage_options = storage_options
        self._is_open = True

    @property
    def name(self) -> str:
        """Of the store."""
        return str(self._store.path.name)

    @cached_property
    def array(self) -> LazyArray:
        """The stored values in the order (x, y, z, t, ...), never scaled, as in the scan's file."""
        store = self._store
        chunks = tuple(store.in_scan_order.chunks)
        return LazyArray(self._read, store.shape, store.dtype.newbyteorder("="), chunks)

    @cached_property
    def scaled(self) -> LazyArray:
        """The same in the unit of the file, by its slope and intercept."""
        return scaled(self.array, self._scaling)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes (x, y, z, t, ...)."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        return self.array.dtype

    @property
    def axis_names(self) -> tuple[str, ...]:
        """One name per axis: x, y, z, then t where there is one, and c of a colour or a vector."""
        return self._scan.axis_names

    @property
    def kind(self) -> str:
        """Kind of the source: ``"nifti"``, ``"mgz"``, ``"dicom"``, ... or ``"array"``."""
        return self._scan.kind

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """4x4, voxel index to millimetres, RAS+."""
        return self._scan.affine.copy()

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance between voxel centres along x, y and z."""
        return self._scan.spacing_mm

    @property
    def details(self) -> dict[str, Any]:
        """Facts of the source that no other attribute holds, such as DICOM tags."""
        return dict(self._scan.details)

    @property
    def header(self) -> Any:
        """The nibabel header: that of the NIfTI or FreeSurfer file, else one made for the scan."""
        return header_of(self._scan, self._store.path)

    @cached_property
    def region(self) -> KeptRegion:
        """Kept and dropped voxels, in words and numbers."""
        self._check_open()
        with reading(self._store.path, self._store.in_scan_order):
            return region_of(self._store, self.axis_names, self.spacing_mm)

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files that were packed, each with size and SHA-256; none of an array of others."""
        return self._scan.sources

    def to_nibabel(self) -> Any:
        """Give a nibabel image whose voxels are read when they are asked for.

        Its values are those of the file: `get_fdata` and `dataobj` apply slope and intercept.
        """
        return image_of(self._scan, self._scaling, self.array, self._store.path)

    def to_xarray(self) -> Any:
        """Give an `xarray.DataArray` whose voxels are read when they are asked for.

        Its values are those of the file, with slope and intercept applied, its dimensions x, y, z
        and t. x, y and z have coordinates in millimetres (RAS+) where the axes of the array run
        along those of the patient; of an oblique scan the attribute ``affine`` says where it lies.
        """
        attributes = {
            "affine": self.affine.tolist(),
            "spacing_mm": list(self.spacing_mm),
            "units_of_space": "mm",
            "kind": self.kind,
        }
        names, times_s = self.axis_names, times_of(self._scan, self._store.path)
        return data_array(self.scaled, names, self.affine, times_s, attributes)

    def close(self) -> None:
        """Let go of the store; nothing can be read from it afterwards."""
        if self._is_open:
            self._is_open = False

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:
        # Another process opens it by itself.
        again = partial(open_packed, storage_options=self._storage_options, air=self._air)
        return again, (self._store.path,)

    def __repr__(self) -> str:
        sizes = " x ".join(str(size) for size in self.shape)
        spacing = " x ".join(f"{length:.4g}" for length in self.spacing_mm)
        return (
            f"<Packed {self.name}: {sizes} {self.dtype} ({', '.join(self.axis_names)}), "
            f"{spacing} mm, from {_NAMES_OF_KINDS.get(self.kind, self.kind)}"
            f"{'' if self._is_open else ', closed'}>"
        )

    @property
    def _air(self) -> str:
        return "leave" if self._store.air is None else "merge"

    @cached_property
    def _scan(self) -> Scan:
        """The scan without its voxels in memory."""
        voxels: Any = self.array
        if self._store.facts is None:
            return foreign_scan(voxels, medroi_config(self._store.in_scan_order))
        return scan_of(voxels, self._store.facts, self._store.path)

    @cached_property
    def _scaling(self) -> Scaling:
        facts = self._store.facts or {}
        return scaling_of(facts, self.array.shape, self._store.path)

    def _read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        self._check_open()
        return self._store.read(box)

    def _check_open(self) -> None:
        if not self._is_open:
            raise InvalidArgument(f"{self._store.path}: closed; open it again with medroi.open")
