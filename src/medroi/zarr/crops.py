"""Crops of one scan's region, as the chunks of a Zarr array get them."""

from __future__ import annotations

import dataclasses
from typing import Any

from medroi.binding import Binding
from medroi.errors import InvalidArgument
from medroi.scan_region import ATTRIBUTE, ScanRegion
from medroi.zarr.rules import bits_of_fill


class CroppedTarget:
    """An array into which parts of a scan are written, cleared outside the scan's region.

    Any worker of a scheduler may have it: it holds what it is made of, and no open array.

    Parameters
    ----------
    array : zarr.Array
        Of the scan's shape; with the MedROI codec, or any other.
    region : ScanRegion
        What is kept of the scan.

    Raises
    ------
    InvalidArgument
        Where the region is that of another scan, or has another background than the array.
    """

    def __init__(self, array: Any, region: ScanRegion) -> None:
        region.check_fits(array.shape, array.dtype)
        if bits_of_fill(array.fill_value, array.dtype) != region.background_bits:
            raise InvalidArgument(
                f"the region has background {region.background}, the array fill_value="
                f"{array.fill_value}, with which zarr pads chunks at its edges. Create the array "
                f"with fill_value={region.background}"
            )
        self._array, self._region = array, region
        self._open: Any = _for_crops(array, region)

    def __setitem__(self, place: tuple[slice, ...], values: Any) -> None:
        bounds = [part.indices(n)[:2] for part, n in zip(place, self._region.shape, strict=True)]
        self._open[place] = self._region.cleared(values, bounds)

    def __reduce__(self) -> Any:
        return (CroppedTarget, (self._array, self._region))


def _for_crops(array: Any, region: ScanRegion) -> Any:
    """The same array, its MedROI codec made for crops; its metadata in the store stay."""
    from zarr import Array, AsyncArray

    metadata = array.metadata
    changed: dict[str, Any]
    if metadata.zarr_format == 3:
        changed = {"codecs": tuple(_codec_for_crops(one, region, array) for one in metadata.codecs)}
    else:
        changed = {"compressor": _codec_for_crops(metadata.compressor, region, array)}
    opened = array._async_array
    return Array(
        AsyncArray(
            metadata=dataclasses.replace(metadata, **changed),
            store_path=opened.store_path,
            config=opened.config if hasattr(opened, "config") else opened._config,
        )
    )


def _codec_for_crops(one: Any, region: ScanRegion, array: Any) -> Any:
    """A codec of a chunk, or of a shard with chunks inside."""
    if isinstance(one, Binding):
        return one.for_crops(region, array.chunks, array.dtype)
    if type(one).__name__ == "ShardingCodec":
        inside = tuple(_codec_for_crops(inner, region, array) for inner in one.codecs)
        return dataclasses.replace(one, codecs=inside)
    return one


def state(array: Any, region: ScanRegion) -> None:
    """Write down in the array's attributes what the region drops of the scan."""
    array.attrs[ATTRIBUTE] = region.facts()
