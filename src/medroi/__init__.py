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

__all__ = ["MedROI", "ScanRegion", "StreamInfo", "errors", "inspect"]

# HDF5 libraries that are loaded already, or come later, have our filter from here on.
plugins.register_now_and_later()


# Imported when they are asked for: a program that has medroi for HDF5 alone needs no numcodecs.
_HOMES = {
    "MedROI": "medroi.numcodecs_face",
    "ScanRegion": "medroi.scan_region",
    "StreamInfo": "medroi.codec",
    "inspect": "medroi.codec",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medroi' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
