"""``xarray.open_dataset("head.ome.zarr", engine="medroi")``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray
from xarray.backends import BackendEntrypoint

import medroi

_SUFFIX = ".zarr"
# Attribute that `pack` writes.
_ATTRIBUTE = "medroi"


class MedROIBackend(BackendEntrypoint):
    """Open packed scans as data sets with the variable ``voxels``.

    xarray finds it by its name, ``engine="medroi"``. Where no engine is named, its own for Zarr
    takes every name that ends with ``.zarr`` and gives the arrays of the store as they are stored,
    without millimetres, slope and orientation.
    """

    description = "Open scans packed with MedROI"
    url = "https://github.com/medroi/medroi"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "storage_options", "air")

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        storage_options: dict[str, Any] | None = None,
        air: str = "leave",
    ) -> xarray.Dataset:
        """Open a packed scan; voxels are read when they are asked for.

        Parameters
        ----------
        filename_or_obj : path or URL
            As `medroi.open` takes it.
        drop_variables : str or iterable of str, optional
            Names that are left out.
        storage_options : dict, optional
            For fsspec, of a URL.
        air : {"leave", "merge"}
            As `medroi.open` takes it.
        """
        scan = medroi.open(filename_or_obj, storage_options=storage_options, air=air)
        found: xarray.Dataset = scan.to_xarray().to_dataset()
        if drop_variables is not None:
            names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables)
            found = found.drop_vars(names, errors="ignore")
        found.set_close(scan.close)
        return found

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether this is the folder of a Zarr store that `pack` wrote."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        path = Path(filename_or_obj)
        if not path.name.lower().endswith(_SUFFIX):
            return False
        for name in ("zarr.json", ".zattrs"):
            try:
                found = json.loads((path / name).read_bytes())
                attributes = found["attributes"] if name == "zarr.json" else found
                return _ATTRIBUTE in attributes
            except (OSError, ValueError, TypeError, KeyError, RecursionError):
                continue
        return False
