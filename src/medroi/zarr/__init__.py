"""Zarr format 3: the serializer `MedROICodec`, and `write`, which writes chunks whole."""

from __future__ import annotations

from medroi.errors import InnerUnavailable

try:
    from medroi.zarr.serializer import MedROICodec
    from medroi.zarr.whole import write
except ImportError as error:
    raise InnerUnavailable(
        "medroi.zarr needs zarr 3 (pip install 'zarr>=3'); "
        "for zarr 2 use medroi.MedROI as compressor"
    ) from error

__all__ = ["MedROICodec", "write"]
