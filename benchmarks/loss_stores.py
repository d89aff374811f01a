"""Ways to store an array and have it back, for `loss.py`: what is decoded, and the streams."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import zarr
from loss_scans import Array, Scan

import medroi.hdf5
from medroi import MedROI
from medroi.scans import pack, unpack
from medroi.zarr import MedROICodec

Options = Mapping[str, Any]
Place = tuple[int, ...]
Fill = Callable[[Any, Array], None]

_MISSING = 2**64 - 1


@dataclass(frozen=True)
class Stored:
    """What came back of an array, and the stream of each chunk by the place where it starts.

    Attributes
    ----------
    decoded : ndarray
    streams : mapping
    by_background : bool
        Whether chunks at the end are padded with the background that was found, and not with
        the scan's fill value.
    region : mapping, optional
        What the store says of the region of the whole scan, where its chunks are crops of that.
    """

    decoded: Array
    streams: Mapping[Place, bytes]
    by_background: bool = False
    region: Mapping[str, Any] | None = None


def at_once(target: Any, voxels: Array) -> None:
    """Write an array in one go."""
    target[...] = voxels


def slice_by_slice(axis: int) -> Fill:
    """Write an array one slice at a time along an axis."""

    def fill(target: Any, voxels: Array) -> None:
        for number in range(voxels.shape[axis]):
            place = (slice(None),) * axis + (number,)
            target[place] = voxels[place]

    return fill


def block_by_block(size: int) -> Fill:
    """Write an array in blocks, which end where the array does."""

    def fill(target: Any, voxels: Array) -> None:
        for place in places(voxels.shape, (size,) * voxels.ndim):
            target[place] = voxels[place]

    return fill


def places(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Where the chunks lie; those at the end are cut off."""
    starts = [range(0, n, size) for n, size in zip(shape, chunks, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(s, min(s + c, n)) for s, c, n in zip(corner, chunks, shape, strict=True))


def padded(
    scan: Scan, place: tuple[slice, ...], chunks: tuple[int, ...], fill_value: float
) -> Array:
    """One chunk, padded to its shape as the stores do."""
    part = scan.voxels[place]
    if part.shape == chunks:
        return part
    chunk = np.full(chunks, fill_value, part.dtype)
    chunk[tuple(slice(n) for n in part.shape)] = part
    return chunk


def _with_background(scan: Scan, options: Options) -> Options:
    """The background, for a codec that does not see the fill value of its array."""
    known = scan.fill_value == 0 or "background" in options
    return options if known else {**options, "background": scan.fill_value}


def _codec(kind: Any, options: Options) -> Any:
    """A codec of one of the bindings; lossless where that is asked for."""
    asked = dict(options)
    return kind.lossless(**asked) if asked.pop("lossless", False) else kind(**asked)


def by_numcodecs(scan: Scan, chunks: tuple[int, ...], options: Options, fill: Fill) -> Stored:
    """Each chunk through `MedROI`; written in one go."""
    codec = _codec(MedROI, _with_background(scan, options))
    decoded, streams = np.empty_like(scan.voxels), {}
    for place in places(scan.voxels.shape, chunks):
        stream = codec.encode(padded(scan, place, chunks, scan.fill_value))
        inside = tuple(slice(0, s.stop - s.start) for s in place)
        decoded[place] = codec.decode(stream)[inside]
        streams[tuple(s.start for s in place)] = bytes(stream)
    return Stored(decoded, streams)


def by_zarr2(scan: Scan, chunks: tuple[int, ...], options: Options, fill: Fill) -> Stored:
    """An array of Zarr format 2."""
    codec = _codec(MedROI, _with_background(scan, options))
    return _through_zarr(scan, chunks, fill, zarr_format=2, compressors=codec)


def by_zarr3(scan: Scan, chunks: tuple[int, ...], options: Options, fill: Fill) -> Stored:
    """An array of Zarr format 3."""
    codec = _codec(MedROICodec, options)
    return _through_zarr(scan, chunks, fill, serializer=codec, compressors=None)


def by_shards(scan: Scan, chunks: tuple[int, ...], options: Options, fill: Fill) -> Stored:
    """An array of Zarr format 3, all of whose chunks lie in one shard."""
    shards = tuple(-(-n // size) * size for n, size in zip(scan.voxels.shape, chunks, strict=True))
    codec = _codec(MedROICodec, options)
    return _through_zarr(scan, chunks, fill, serializer=codec, compressors=None, shards=shards)


def _through_zarr(scan: Scan, chunks: tuple[int, ...], fill: Fill, **how: Any) -> Stored:
    with tempfile.TemporaryDirectory() as folder:
        array = zarr.create_array(
            folder,
            shape=scan.voxels.shape,
            dtype=scan.voxels.dtype,
            chunks=chunks,
            fill_value=scan.fill_value,
            **how,
        )
        fill(array, scan.voxels)
        streams = dict(_streams_in(Path(folder), chunks, how.get("shards")))
        return Stored(np.asarray(zarr.open_array(folder, mode="r")[...]), streams)


def _streams_in(
    folder: Path, chunks: tuple[int, ...], shards: tuple[int, ...] | None = None
) -> Iterator[tuple[Place, bytes]]:
    for path in folder.rglob("*"):
        key = path.relative_to(folder).as_posix().removeprefix("c/").replace("/", ".")
        numbers = key.split(".")
        if not path.is_file() or not all(number.isdigit() for number in numbers):
            continue
        at = tuple(int(number) for number in numbers)
        if shards is None:
            yield tuple(n * size for n, size in zip(at, chunks, strict=True)), path.read_bytes()
        else:
            yield from _streams_of_shard(path.read_bytes(), at, chunks, shards)


def _streams_of_shard(
    data: bytes, at: Place, chunks: tuple[int, ...], shards: tuple[int, ...]
) -> Iterator[tuple[Place, bytes]]:
    counts = [shard // size for shard, size in zip(shards, chunks, strict=True)]
    # Offset and length of every chunk, and a checksum of 4 bytes behind them.
    index = np.frombuffer(data[-16 * math.prod(counts) - 4 : -4], "<u8").reshape(*counts, 2)
    for number in product(*map(range, counts)):
        offset, nbytes = (int(value) for value in index[number])
        if offset != _MISSING:
            corner = zip(at, shards, number, chunks, strict=True)
            yield tuple(a * s + n * c for a, s, n, c in corner), data[offset : offset + nbytes]


def by_hdf5(scan: Scan, chunks: tuple[int, ...], options: Options, fill: Fill) -> Stored:
    """A dataset of h5py without a chunk cache, as for every chunk that is larger than the cache."""
    filters = _codec(medroi.hdf5.MedROIFilter, options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scan.h5")
        with h5py.File(path, "w", rdcc_nbytes=0) as file:
            made = {"shape": scan.voxels.shape, "dtype": scan.voxels.dtype, "chunks": chunks}
            dataset = file.create_dataset("scan", fillvalue=scan.fill_value, **made, **filters)
            fill(dataset, scan.voxels)
        with h5py.File(path) as file:
            dataset = file["scan"]
            known = [dataset.id.get_chunk_info(n) for n in range(dataset.id.get_num_chunks())]
            streams = {
                tuple(chunk.chunk_offset): dataset.id.read_direct_chunk(chunk.chunk_offset)[1]
                for chunk in known
            }
            return Stored(dataset[...], streams)


def by_pack(scan: Scan, chunks: tuple[int, ...], options: Options, fill: Fill) -> Stored:
    """`pack` and `unpack`, from file to file."""
    with tempfile.TemporaryDirectory() as folder:
        source, store, back = (Path(folder, name) for name in ("a.nii", "a.zarr", "b.nii"))
        affine = np.diag([*(scan.spacing_mm or (1.0,) * 3)[:3], 1.0])
        nibabel.Nifti1Image(scan.voxels, affine).to_filename(source)
        pack(source, store, chunks=chunks, **options)
        unpack(store, back)
        image: Any = nibabel.load(back)
        decoded = np.asarray(image.dataobj.get_unscaled()).reshape(scan.voxels.shape)
        region = zarr.open_array(store, mode="r").attrs.get("medroi_region")
        return Stored(decoded, dict(_streams_in(store, chunks)), by_background=True, region=region)


BINDINGS: dict[str, Callable[[Scan, tuple[int, ...], Options, Fill], Stored]] = {
    "numcodecs": by_numcodecs,
    "Zarr 2": by_zarr2,
    "Zarr 3": by_zarr3,
    "Zarr 3 shards": by_shards,
    "HDF5": by_hdf5,
    "pack, unpack": by_pack,
}
