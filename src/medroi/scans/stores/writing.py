"""Voxels written into a new Zarr array, every chunk coded once, several at a time.

The bytes are the same for any number of threads. Chunks are cut out of the scan, cleared and coded
one by one: beside the scan memory holds a few chunks.
"""

from __future__ import annotations

import contextlib
import importlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scan_region import ScanRegion
from medroi.scans.chunking import count_chunks, padded, selections
from medroi.scans.scan import require
from medroi.scans.stores.group.array import turned_config
from medroi.threads import in_order


@dataclass(frozen=True)
class Layout:
    """Cut and coding of an array.

    Attributes
    ----------
    chunks : tuple of int
        Chunk shape, along the axes of the scan.
    zarr_format : int
        3 or 2.
    in_group : bool
        Whether the array stands in a group, its axes in reverse order, all chunks in one shard.
    """

    chunks: tuple[int, ...]
    zarr_format: int = 3
    in_group: bool = False

    def turned(self, sizes: tuple[Any, ...]) -> tuple[Any, ...]:
        """One item per axis of the scan in the order of the stored axes."""
        return sizes[::-1] if self.in_group else sizes


@dataclass(frozen=True)
class Cleared:
    """A scan whose voxels outside, or inside, a region are background.

    Attributes
    ----------
    voxels : ndarray
        In Fortran order.
    region : ScanRegion or None
        None clears nothing.
    background : ndarray
        One element: the value of cleared voxels, and of those behind the edge of the scan.
    inside : bool
        Whether it is the inside of the region that is cleared.
    """

    voxels: npt.NDArray[Any]
    region: ScanRegion | None
    background: npt.NDArray[Any]
    inside: bool = False

    def __getitem__(self, selection: tuple[slice, ...]) -> npt.NDArray[Any]:
        part = self.voxels[selection]
        if self.region is None:
            return part
        bounds = [(one.start, one.stop) for one in selection]
        if not self.inside:
            return np.asarray(self.region.cleared(part, bounds))
        values = np.array(part, order="F")
        np.copyto(values, self.background, where=self.region.kept(bounds))
        return values


def write_array(
    path: Path,
    scan: Cleared,
    codec: Any,
    layout: Layout,
    *,
    names: tuple[str, ...] | None = None,
    attributes: dict[str, Any] | None = None,
    stated: ScanRegion | None = None,
    threads: int = 1,
) -> Iterator[int]:
    """Write an array; gives 1 for every chunk that was written.

    Parameters
    ----------
    path : Path
        Folder of the new array.
    scan : Cleared
        What is written.
    codec : MedROI
        Fitted, for the axes of the scan.
    layout : Layout
        Of the array.
    names : tuple of str, optional
        Of the stored axes.
    attributes : dict, optional
        Of the array.
    stated : ScanRegion, optional
        The region of which the chunks are crops: their streams state its threshold.
    threads : int
        Chunks coded at a time.
    """
    shape, chunks = scan.voxels.shape, layout.chunks
    config = {name: value for name, value in codec.get_config().items() if name != "id"}
    if layout.in_group:
        config = turned_config(config, len(shape))
    array = _create(path, scan, config, layout, names, attributes or {})
    n_chunks = count_chunks(shape, chunks)
    writer = _writer(config, layout, stated, scan.voxels.dtype, threads if n_chunks == 1 else 1)

    def encoded(selection: tuple[slice, ...]) -> bytes:
        chunk = padded(scan[selection], chunks, scan.background)
        return bytes(writer.encode(chunk.T if layout.in_group else chunk))

    streams = in_order(encoded, selections(shape, chunks), threads)
    with contextlib.closing(streams):  # type: ignore[type-var]
        if array.shards is None:
            yield from _in_files(path, array, layout, streams)
        else:
            yield from _in_shard(path, array, streams)


def _writer(
    config: dict[str, Any],
    layout: Layout,
    stated: ScanRegion | None,
    dtype: np.dtype[Any],
    threads: int,
) -> Any:
    import medroi

    codec: Any = medroi.MedROI(**config, threads=threads)
    if stated is None:
        return codec
    region = stated.transposed() if layout.in_group else stated
    return codec.for_crops(region, layout.turned(layout.chunks), dtype)


def _create(
    path: Path,
    scan: Cleared,
    config: dict[str, Any],
    layout: Layout,
    names: tuple[str, ...] | None,
    attributes: dict[str, Any],
) -> Any:
    zarr = require("zarr", "a Zarr store")
    shape, chunks = layout.turned(scan.voxels.shape), layout.turned(layout.chunks)
    options: dict[str, Any] = {"zarr_format": layout.zarr_format}
    if layout.zarr_format == 3:
        options["serializer"] = importlib.import_module("medroi.zarr").MedROICodec(**config)
        options["compressors"] = None
        options["dimension_names"] = names
        options["config"] = {"order": "C" if layout.in_group else "F", "write_empty_chunks": True}
    else:
        import medroi

        options["compressors"] = medroi.MedROI(**config)
        options["order"] = "F"
        options["config"] = {"write_empty_chunks": True}
    if layout.in_group:
        options["shards"] = tuple(
            -(-size // chunk) * chunk for size, chunk in zip(shape, chunks, strict=True)
        )
    return zarr.create_array(
        store=str(path),
        shape=shape,
        chunks=chunks,
        dtype=scan.voxels.dtype,
        filters=None,
        fill_value=scan.background.item(),
        attributes=attributes,
        **options,
    )


def _in_files(path: Path, array: Any, layout: Layout, streams: Iterator[bytes]) -> Iterator[int]:
    places = selections(layout.turned(array.shape), layout.chunks)
    for place, stream in zip(places, streams, strict=True):
        position = tuple(
            part.start // chunk for part, chunk in zip(place, layout.chunks, strict=True)
        )
        file = path / array.metadata.encode_chunk_key(layout.turned(position))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(stream)
        yield 1


def _in_shard(path: Path, array: Any, streams: Iterator[bytes]) -> Iterator[int]:
    """Write all chunks into one file, and behind them the index; they come in its order."""
    from google_crc32c import value as crc32c

    file = path / array.metadata.encode_chunk_key((0,) * array.ndim)
    file.parent.mkdir(parents=True)
    index = bytearray()
    with file.open("wb") as shard:
        for stream in streams:
            index += struct.pack("<QQ", shard.tell(), len(stream))
            shard.write(stream)
            yield 1
        shard.write(index + struct.pack("<I", crc32c(bytes(index))))
