"""Images that hold many slices as tiles of one sheet."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InvalidArgument
from medroi.scans.dicom.elements import number, numbers
from medroi.scans.dicom.layout import PixelLayout
from medroi.scans.scan import require

# What ImageType says of them: Siemens, and United Imaging.
_TYPES = {"MOSAIC", "VFRAME"}
_N_IMAGES_TAG = (0x0019, 0x100A)
_N_IMAGES_CREATOR = "SIEMENS MR HEADER"


def with_tiles(
    path: Path, dataset: Any, layout: PixelLayout
) -> tuple[PixelLayout, list[dict[str, Any]]]:
    """Find the tiles of a mosaic.

    Returns
    -------
    layout : PixelLayout
        With its tiles.
    tiles : list of dict
        Position and orientation of each; empty where the image is none.

    Raises
    ------
    InvalidArgument
        Where an image that says it is a mosaic lacks what places its tiles.
    """
    image_type = dataset.get("ImageType") or ()
    types = [image_type] if isinstance(image_type, str) else list(image_type)
    is_named = bool(_TYPES & {str(item).strip().upper() for item in types})
    csa = _csa(dataset)
    count = _n_tiles(dataset, csa)
    if not is_named and count < 2:
        return layout, []
    if count < 1:
        raise InvalidArgument(
            f"{path}: a Siemens mosaic (many slices as tiles of one image) that does not say how "
            "many slices it has; convert the series to NIfTI (dcm2niix) and pack that"
        )
    across = math.isqrt(count - 1) + 1
    if layout.rows % across or layout.columns % across:
        raise InvalidArgument(
            f"{path}: a Siemens mosaic of {count} slices as tiles, which do not divide its "
            f"{layout.rows} rows and {layout.columns} columns; it is damaged"
        )
    layout = dataclasses.replace(layout, n_tiles=count, n_tiles_across=across)
    return layout, _places(path, dataset, csa, layout)


def _places(
    path: Path, dataset: Any, csa: dict[str, Any] | None, layout: PixelLayout
) -> list[dict[str, Any]]:
    cosines = numbers(path, dataset, "ImageOrientationPatient", 6)
    spacing_mm = numbers(path, dataset, "PixelSpacing", 2)
    corner = numbers(path, dataset, "ImagePositionPatient", 3)
    rows, columns = layout.plane_shape
    # The position is that of a sheet whose middle is the middle of a slice.
    corner = corner + cosines[:3] * spacing_mm[1] * (layout.columns - columns) / 2
    corner = corner + cosines[3:] * spacing_mm[0] * (layout.rows - rows) / 2
    step_mm = number(
        path, dataset, "SpacingBetweenSlices", number(path, dataset, "SliceThickness", 0)
    )
    if step_mm <= 0:
        raise InvalidArgument(
            f"{path}: a Siemens mosaic without a distance between its slices "
            "(SpacingBetweenSlices); convert the series to NIfTI (dcm2niix) and pack that"
        )
    normal = np.cross(cosines[:3], cosines[3:])
    stated = _normal(csa)
    # Tiles may run against the normal of rows and columns: only Siemens' own header says so.
    if stated is not None and float(stated @ normal) < 0:
        normal = -normal
    times = _values(csa, "MosaicRefAcqTimes")
    return [
        {
            "ImagePositionPatient": list(corner + normal * step_mm * index),
            "ImageOrientationPatient": list(cosines),
            **({"SliceTime_ms": times[index]} if len(times) == layout.n_tiles else {}),
        }
        for index in range(layout.n_tiles)
    ]


def _csa(dataset: Any) -> dict[str, Any] | None:
    if (0x0029, 0x0010) not in dataset:
        return None
    reader = require("nibabel.nicom.csareader", "reading DICOM")
    try:
        header: dict[str, Any] | None = reader.get_csa_header(dataset, "image")
    except Exception:  # damaged elements of one vendor's own are no reason to refuse the voxels
        return None
    return header


def _values(csa: dict[str, Any] | None, name: str) -> list[float]:
    try:
        return [float(item) for item in (csa or {})["tags"][name]["items"]]
    except (KeyError, TypeError, ValueError):
        return []


def _normal(csa: dict[str, Any] | None) -> npt.NDArray[np.float64] | None:
    found = np.asarray(_values(csa, "SliceNormalVector"))
    return found if found.shape == (3,) and np.isfinite(found).all() else None


def _n_tiles(dataset: Any, csa: dict[str, Any] | None) -> int:
    """Number of slices of an image by Siemens' own elements; 0 where they say nothing."""
    try:
        creator = dataset.get((_N_IMAGES_TAG[0], _N_IMAGES_TAG[1] >> 8))
        count = dataset.get(_N_IMAGES_TAG)
        if creator is not None and count is not None and creator.value == _N_IMAGES_CREATOR:
            value = count.value
            # In implicit VR a private element is bytes.
            found = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
        else:
            found = int((_values(csa, "NumberOfImagesInMosaic") or [0])[0])
    except Exception:  # damaged elements of one vendor's own are no reason to refuse the voxels
        return 0
    return found if 0 <= found < 1 << 16 else 0
