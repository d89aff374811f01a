"""A packed scan as plain Zarr 3: the codec `bytes` alone, so that every reader takes it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from medroi.scans.stores.group import ome
from medroi.serving.blocks import Blocks
from medroi.serving.body import Body, body_of, json_body

_AXES = ("x", "y", "z", "t")
_CHUNK = re.compile(r"s0/c((?:/\d{1,9})+)")


class PlainZarr:
    """An OME-Zarr 0.5 group with one array `s0`, axes (t,) z, y, x, made as it is read.

    Parameters
    ----------
    blocks : Blocks
        The voxels, axes x, y, z(, t).
    spacing_mm : tuple of float
        Along x, y and z.
    name : str
        Of the image.
    """

    def __init__(self, blocks: Blocks, spacing_mm: tuple[float, ...], name: str) -> None:
        self._blocks = blocks
        self._spacing_mm = spacing_mm
        self._name = name

    def body(self, key: str) -> Body | None:
        """Find what lies under a key of the store; None where nothing does."""
        if key == "zarr.json":
            return json_body(self._group())
        if key == "s0/zarr.json":
            return json_body(self._array())
        found = _CHUNK.fullmatch(key)
        if found is None:
            return None
        position = tuple(int(index) for index in found[1].split("/")[1:])[::-1]
        grid = self._blocks.grid
        if len(position) != len(grid) or not all(
            index < count for index, count in zip(position, grid, strict=True)
        ):
            return None
        return body_of(self._chunk(position))

    def _chunk(self, position: tuple[int, ...]) -> bytes:
        whole = np.zeros(self._blocks.chunks, self._blocks.dtype, order="F")
        block = self._blocks.block(position)
        whole[tuple(slice(size) for size in block.shape)] = block
        little = whole.astype(whole.dtype.newbyteorder("<"), copy=False)
        return little.tobytes(order="F")

    def _names(self) -> list[str]:
        n_axes = len(self._blocks.shape)
        return [*_AXES, *(f"d{i}" for i in range(4, n_axes))][:n_axes][::-1]

    def _array(self) -> dict[str, Any]:
        dtype = self._blocks.dtype
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self._blocks.shape[::-1]),
            "data_type": dtype.name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(self._blocks.chunks[::-1])},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": False if dtype.kind == "b" else [0, 0] if dtype.kind == "c" else 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": {},
            "dimension_names": self._names(),
            "storage_transformers": [],
        }

    def _group(self) -> dict[str, Any]:
        names = self._names()
        spacing = dict(zip(_AXES, self._spacing_mm, strict=False))
        scale = [float(spacing.get(name, 1.0)) for name in names]
        scale_of = {"type": "scale", "scale": scale}
        return {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {
                "ome": {
                    "version": ome.VERSION,
                    "multiscales": [
                        {
                            "name": self._name,
                            "axes": [ome.axis(name) for name in names],
                            "datasets": [{"path": "s0", "coordinateTransformations": [scale_of]}],
                        }
                    ],
                }
            },
        }
