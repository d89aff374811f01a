"""MedROI: region-of-interest compression of medical volumes.

`MedROI()` discards voxels outside the region of tissue; `MedROI.lossless()` does not.
"""

import importlib
from typing import TYPE_CHECKING, Any

from medroi import errors, plugins

if TYPE_CHECKING:
    from medroi.codec import StreamInfo, inspect
    from medroi.numcodecs_face import MedROI
    from medroi.scan_region import ScanRegion
    from medroi.scans import Packed, check, pack, unpack
    from medroi.scans import open_packed as open

__all__ = [
    "MedROI",
    "Packed",
    "ScanRegion",
    "StreamInfo",
    "archive",
    "check",
    "errors",
    "inspect",
    "open",
    "pack",
    "unpack",
]

# HDF5 libraries that are loaded already, or come later, have our filter from here on.
plugins.register_now_and_later()


# Imported when they are asked for: a program that has medroi for HDF5 alone needs no numcodecs.
_HOMES = {
    "MedROI": "medroi.numcodecs_face:MedROI",
    "Packed": "medroi.scans:Packed",
    "ScanRegion": "medroi.scan_region:ScanRegion",
    "StreamInfo": "medroi.codec:StreamInfo",
    "archive": "medroi.archives:archive",
    "check": "medroi.scans:check",
    "inspect": "medroi.codec:inspect",
    "open": "medroi.scans:open_packed",
    "pack": "medroi.scans:pack",
    "unpack": "medroi.scans:unpack",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medroi' has no attribute {name!r}")
    module, _, name_there = _HOMES[name].partition(":")
    found = getattr(importlib.import_module(module), name_there)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
