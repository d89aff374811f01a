"""``monai.transforms.LoadImage(reader=medroi.readers.monai.MedROIReader())``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from monai.data import ImageReader
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple

import medroi
from medroi.errors import InvalidArgument

_SUFFIXES = (".zarr", ".zarr.zip", ".h5", ".hdf5")


class MedROIReader(ImageReader):
    """Read packed scans as MONAI's own reader reads their NIfTI files.

    Values are those of the file, with slope and intercept applied; the affine is RAS+ and goes into
    the MetaTensor. Volumes of a 4-D scan are channels, the last axis.

    Parameters
    ----------
    dtype : dtype
        In which values are read.
    storage_options : dict, optional
        For fsspec, of URLs.
    air : {"leave", "merge"}
        As `medroi.open` takes it.
    """

    def __init__(
        self,
        dtype: npt.DTypeLike = np.float32,
        storage_options: dict[str, Any] | None = None,
        air: str = "leave",
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.storage_options = storage_options
        self.air = air

    def verify_suffix(self, filename: Sequence[Any] | Any) -> bool:
        """Whether the names are those of packed scans."""
        # A dataset of an HDF5 file has the file in its path.
        return all(
            any(part.lower().endswith(_SUFFIXES) for part in Path(name).parts)
            for name in ensure_tuple(filename)
        )

    def read(self, data: Sequence[Any] | Any, **_: Any) -> list[medroi.Packed]:
        """Open one packed scan, or several that become channels."""
        return [
            medroi.open(name, storage_options=self.storage_options, air=self.air)
            for name in ensure_tuple(data)
        ]

    def get_data(self, img: Sequence[medroi.Packed]) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Read the voxels of what `read` has opened.

        Raises
        ------
        InvalidArgument
            Where several scans differ in shape or affine.
        """
        scans = list(img)
        first = scans[0]
        for scan in scans[1:]:
            if scan.shape != first.shape or not np.allclose(scan.affine, first.affine):
                raise InvalidArgument(
                    f"{scan.name}: shape {scan.shape} or affine differs from that of {first.name}, "
                    f"{first.shape}; channels of one image lie on one grid"
                )
        volumes = [scan.to_nibabel().get_fdata(dtype=self.dtype) for scan in scans]
        is_series = first.array.ndim > 3
        if len(volumes) == 1:
            values, channel = volumes[0], -1 if is_series else "no_channel"
        elif is_series:
            values, channel = np.concatenate(volumes, axis=-1), -1
        else:
            values, channel = np.stack(volumes), 0
        return values, {
            MetaKeys.AFFINE: first.affine,
            MetaKeys.ORIGINAL_AFFINE: first.affine,
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.SPATIAL_SHAPE: np.asarray(first.shape[:3]),
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan") if channel == "no_channel" else channel,
        }
