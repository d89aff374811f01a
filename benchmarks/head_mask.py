"""The body in a scan, as a mask that knows nothing of medroi."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

_CLOSING = 5
_LOW_SHARE = 0.1


def reference_mask(volume: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Everything that the largest body in an image of 2 or 3 axes encloses.

    Voxels above a tenth of the way from the air to the 99th percentile, opened, the largest
    component of them, closed by 5, without holes.
    """
    cross = ndimage.generate_binary_structure(volume.ndim, 1)
    air = np.percentile(volume, 0.5)
    above = volume > air + _LOW_SHARE * (np.percentile(volume, 99) - air)
    labels, _ = ndimage.label(ndimage.binary_opening(above, cross))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    # Closing and filling do not leave the bounds of the body; they are slow, so nothing else is
    # looked at.
    bounds = ndimage.find_objects((labels == sizes.argmax()).astype(np.uint8))[0]
    body = np.pad(labels[bounds] == sizes.argmax(), _CLOSING + 1)
    whole = ndimage.binary_fill_holes(ndimage.binary_closing(body, cross, _CLOSING))
    mask = np.zeros(volume.shape, bool)
    mask[bounds] = whole[(slice(_CLOSING + 1, -_CLOSING - 1),) * volume.ndim]
    return mask
