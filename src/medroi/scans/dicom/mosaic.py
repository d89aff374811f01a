"""Images that hold many slices as tiles of one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medroi.errors import InvalidArgument
from medroi.scans.scan import require

# What ImageType says of them: Siemens, and United Imaging.
_TYPES = {"MOSAIC", "VFRAME"}
_N_IMAGES_TAG = (0x0019, 0x100A)
_N_IMAGES_CREATOR = "SIEMENS MR HEADER"


def check_no_mosaic(datasets: list[tuple[Path, Any]]) -> None:
    """Refuse tiled images, which would be packed as flat sheets.

    Raises
    ------
    InvalidArgument
        Naming the first of them.
    """
    for path, dataset in datasets:
        image_type = dataset.get("ImageType") or ()
        types = [image_type] if isinstance(image_type, str) else list(image_type)
        named = _TYPES & {str(part).strip().upper() for part in types}
        count = _n_tiles(dataset)
        if named or count > 1:
            tiles = f"{count} slices as tiles" if count > 1 else "many slices as tiles"
            raise InvalidArgument(
                f"{path}: a Siemens mosaic ({tiles} of one image), which would be packed as one "
                "flat sheet; convert the series to NIfTI (dcm2niix) and pack that"
            )


def _n_tiles(dataset: Any) -> int:
    """Number of slices of an image by Siemens' own elements; 0 where they say nothing."""
    try:
        creator = dataset.get((_N_IMAGES_TAG[0], _N_IMAGES_TAG[1] >> 8))
        count = dataset.get(_N_IMAGES_TAG)
        if creator is not None and count is not None and creator.value == _N_IMAGES_CREATOR:
            value = count.value
            # In implicit VR a private element is bytes.
            return int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
        if (0x0029, 0x0010) not in dataset:
            return 0
        csa = require("nibabel.nicom.csareader", "reading DICOM")
        header = csa.get_csa_header(dataset, "image")
        return int(csa.get_n_mosaic(header) or 0) if header is not None else 0
    except Exception:  # damaged elements of one vendor's own are no reason to refuse the voxels
        return 0
