"""Scans as files: NIfTI, FreeSurfer volumes and DICOM series in, and back out again.

`pack` writes one scan into a Zarr array, `unpack` gives the file back and `check` tells whether the
array is still what was packed; `medroi.cli` only passes arguments to them. One file per format;
`store` knows the Zarr layout, `formats` which suffix is what.
"""

from medroi.scans.checking import CheckReport, check
from medroi.scans.dropping import DropReport, drop_air
from medroi.scans.formats import read_scan, write_scan
from medroi.scans.packing import pack
from medroi.scans.preview import Preview
from medroi.scans.report import PackReport
from medroi.scans.scan import Scan
from medroi.scans.showing import show
from medroi.scans.unpacking import UnpackReport, unpack

__all__ = [
    "CheckReport",
    "DropReport",
    "PackReport",
    "Preview",
    "Scan",
    "UnpackReport",
    "check",
    "drop_air",
    "pack",
    "read_scan",
    "show",
    "unpack",
    "write_scan",
]
