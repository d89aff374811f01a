"""Scans as files: NIfTI, FreeSurfer volumes and DICOM series in, and back out again.

`pack` writes one scan into a Zarr array, `unpack` gives the file back and `check` tells whether the
array is still what was packed; `medroi.cli` only passes arguments to them. `formats` has one file
for each kind of scan file, `dicom` those of a series, `stores` the layouts of Zarr and HDF5,
`pictures` what a person looks at.
"""

from medroi.scans.access.packed import Packed, open_packed
from medroi.scans.checking import CheckReport, check
from medroi.scans.clearing.clearing import clear
from medroi.scans.clearing.report import ClearReport
from medroi.scans.dropping import DropReport, drop_air
from medroi.scans.formats import read_scan, write_scan
from medroi.scans.packing import pack
from medroi.scans.packing_series import pack_series
from medroi.scans.pictures.preview import Preview
from medroi.scans.pictures.showing import show
from medroi.scans.report import PackReport
from medroi.scans.scan import Scan
from medroi.scans.unpacking import UnpackReport, unpack

__all__ = [
    "CheckReport",
    "ClearReport",
    "DropReport",
    "PackReport",
    "Packed",
    "Preview",
    "Scan",
    "UnpackReport",
    "check",
    "clear",
    "drop_air",
    "open_packed",
    "pack",
    "pack_series",
    "read_scan",
    "show",
    "unpack",
    "write_scan",
]
