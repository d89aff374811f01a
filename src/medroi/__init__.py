"""MedROI: region-of-interest compression of medical volumes.

`MedROI()` discards voxels outside the region of tissue; `MedROI.lossless()` does not.
"""

from medroi import errors
from medroi.codec import StreamInfo, inspect
from medroi.numcodecs_face import MedROI

__all__ = ["MedROI", "StreamInfo", "errors", "inspect"]
