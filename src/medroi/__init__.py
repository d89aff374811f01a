"""MedROI: region-of-interest compression of medical volumes.

`MedROI()` discards voxels outside the region of tissue; `MedROI.lossless()` does not.
"""

from medroi import errors, plugins
from medroi.codec import StreamInfo, inspect
from medroi.numcodecs_face import MedROI

__all__ = ["MedROI", "StreamInfo", "errors", "inspect"]

# HDF5 libraries that are loaded already, or come later, have our filter from here on.
plugins.register_now_and_later()
