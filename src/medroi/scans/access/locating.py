"""A packed scan, found by its path or its URL."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import Any

from medroi.errors import InnerUnavailable, InvalidArgument
from medroi.scans.formats.files import readable
from medroi.scans.stores.group.array import ScanArray
from medroi.scans.stores.opened import Store, open_store, store_of
from medroi.scans.stores.wholeness import check_complete
from medroi.scans.stores.zarr_array import (
    AIR,
    check_says_all,
    medroi_config,
    of_group,
    reading,
    zarr_3,
)

# One letter is a drive.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z]+::")


class Url(str):
    """A URL, with the name that a path has."""

    @property
    def name(self) -> str:
        """The part behind the last slash."""
        return self.split("?")[0].rstrip("/").rpartition("/")[2]


def located(
    source: str | os.PathLike[str],
    storage_options: dict[str, Any] | None,
    *,
    merges_air: bool = False,
) -> Store:
    """Open a store that `pack` wrote, or an array that others wrote with MedROI.

    `merges_air` asks for every voxel as it was packed, of a store that keeps its air aside.

    Raises
    ------
    InvalidArgument
        Where there is none, or one without MedROI.
    CorruptStream
        Where chunks of a packed scan are missing.
    InnerUnavailable
        Where what reads such a URL is not installed.
    """
    if isinstance(source, str) and _URL.match(source):
        store = _remote(Url(source), storage_options)
        return store.with_air() if merges_air else store
    if storage_options is not None:
        raise InvalidArgument(f"{source}: storage_options are for URLs, this is a path")
    store = open_store(Path(source))
    with reading(store.path, store.in_scan_order):
        check_complete(store.path, store.in_scan_order)
    store = _checked(store)
    if merges_air:
        store = store.with_air()
        with reading(store.path):
            check_complete(store.path / AIR, store.air, is_of_pack=True)
    check_says_all(store.path, store.in_scan_order)
    return store


def _remote(url: Url, storage_options: dict[str, Any] | None) -> Store:
    zarr = zarr_3()
    where: Any = url
    if url.name.endswith((".h5", ".hdf5", ".zip")):
        raise InvalidArgument(
            f"{url}: only folders of Zarr are read behind a URL; download the file, or serve a "
            ".zarr or .ome.zarr"
        )
    with readable(where, "no packed scan, or not to be read"):
        try:
            remote = importlib.import_module("medroi.zarr.remote")
            files = remote.open_url(url, storage_options)
            root = zarr.open(files, mode="r")
        except ImportError as error:
            raise InnerUnavailable(
                f"{url}: {error}; pip install 'medroi[remote]' reads http, https and what fsspec "
                "reads itself; s3 needs s3fs beside it, gs gcsfs"
            ) from error
        except FileNotFoundError as error:
            raise InvalidArgument(
                f"{url}: no Zarr there (no zarr.json, .zarray or .zgroup); name the folder itself, "
                "such as https://HOST/scan.ome.zarr"
            ) from error
        of_remote = remote.RemoteFiles(files)
        if isinstance(root, zarr.Group):
            array = of_group(root, of_remote)
            if array is None:
                raise InvalidArgument(f"{url}: a Zarr group without a scan; name one of its arrays")
        else:
            array = ScanArray(root, of_remote, "", dict(root.attrs), axes_reversed=False)
        return _checked(store_of(where, array, {}))


def _checked(store: Store) -> Store:
    if not store.shape:
        raise InvalidArgument(f"{store.path}: an array without axes")
    if store.facts is None and medroi_config(store.in_scan_order) is None:
        raise InvalidArgument(
            f"{store.path}: an array without MedROI; open it with zarr.open or h5py"
        )
    return store
