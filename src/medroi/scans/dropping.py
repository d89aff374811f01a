"""Air that was kept aside, deleted."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.checking import check_scan
from medroi.scans.report import megabytes
from medroi.scans.stores import air, hdf5_store
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.wholeness import add_digests
from medroi.scans.stores.zarr_array import ATTRIBUTE, open_array
from medroi.system import sync


@dataclass(frozen=True)
class DropReport:
    """A store whose air was deleted."""

    path: str
    air_nbytes: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the report as one line of text."""
        return f"{self.path}: whole; {megabytes(self.air_nbytes)} of air deleted"


def drop_air(store: str | Path, *, progress: bool = False) -> DropReport:
    """Delete the air of a packed scan, once the scan itself was read and found whole.

    Parameters
    ----------
    store : path
        A Zarr array that was packed with ``air="keep"``.
    progress : bool
        Show a progress bar on a terminal when the work takes longer than a second.

    Raises
    ------
    InvalidArgument
        Where there is no air.
    CorruptStream
        Where the scan is damaged; its air stays.
    """
    path, began = Path(store), time.monotonic()
    array = open_array(path)
    if hdf5_store.split_source(path) is not None or not (
        air.has_air(array) or (path / air.NAME).is_dir()
    ):
        raise InvalidArgument(f"{path}: no air is kept aside here")
    if path.is_file():
        raise InvalidArgument(
            f"{path}: nothing is deleted from a zip file; unzip it, and zip it again afterwards"
        )
    # Without its air: damage to what is to be deleted must not keep it.
    check_scan(path, progress=progress)
    nbytes = air.nbytes_of(path)
    written = {name: value for name, value in array.attrs[DIGESTS].items() if name != air.NAME}
    add_digests(path, dict(array.attrs[ATTRIBUTE]), written)
    sync(path)
    if (path / air.NAME).is_dir():
        shutil.rmtree(path / air.NAME)
    return DropReport(path.name, nbytes, time.monotonic() - began)
