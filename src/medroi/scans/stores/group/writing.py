"""A new group with everything beside its voxels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medroi.scans.scan import Scan, require
from medroi.scans.stores import attachments
from medroi.scans.stores.group import ome


def write_group(path: Path, scan: Scan, facts: dict[str, Any]) -> None:
    """Write a group with everything but the voxels of a scan.

    Parameters
    ----------
    path : Path
        Of the new group.
    scan : Scan
        Of 2 to 4 axes.
    facts : dict
        Attributes of the group beside those of OME-Zarr.
    """
    zarr = require("zarr", "a Zarr store")
    factors = [(1,) * scan.voxels.ndim]
    described = {"ome": ome.attributes(scan, factors, is_label=False), **facts}
    group = zarr.create_group(str(path), zarr_format=3, attributes=described)
    header = ome.header_of(scan)
    if header is not None:
        array = group.create_array(
            ome.HEADER,
            shape=(len(header),),
            chunks=(len(header),),
            dtype="uint8",
            filters=None,
            compressors=None,
            fill_value=0,
            # xarray opens no group in which an array has axes without names.
            dimension_names=("byte",),
        )
        array[:] = np.frombuffer(header, np.uint8)
    attachments.write_in_group(path, scan.attachments)
