"""The air kept aside: what a region drops, losslessly, as an array of its own in the store.

It lies in the folder ``air`` of a Zarr array, with the same shape, dtype and chunks. Inside the
region it holds background, as the scan does outside, so that the two together are the scan: every
voxel of the air that is not background takes the place of the scan's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
import medroi.inner
from medroi import arrays
from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.scan import Scan
from medroi.scans.stores import hdf5_store
from medroi.scans.stores.decoding import Chunk, each_chunk
from medroi.scans.stores.digests import ATTRIBUTE as DIGESTS
from medroi.scans.stores.digests import StreamsDigest, VoxelsDigest
from medroi.scans.stores.files import files_of, nbytes_below
from medroi.scans.stores.kept import same_bits
from medroi.scans.stores.layouts import FAST, MAX
from medroi.scans.stores.writing import Cleared, Layout, write_array
from medroi.scans.stores.zarr_array import AIR, open_array, open_beside
from medroi.values import n_available_cores
from medroi.working_memory import WorkingMemory

NAME = AIR


def check_possible(place: hdf5_store.Place | None, inner: Any) -> None:
    """Refuse to keep air aside where it could not be merged again.

    Raises
    ------
    InvalidArgument
        For HDF5 files, and lossy inner codecs.
    """
    if place is not None:
        raise InvalidArgument(
            f"{place.file}: air is kept in Zarr stores only; name one (NAME.zarr), or leave out "
            "--air keep (air='keep')"
        )
    if not medroi.inner.make(inner).lossless:
        raise InvalidArgument(
            f"inner codec {medroi.inner.make(inner).config()} is lossy: with the air it would not "
            "give the scan back. Take a lossless one, or leave out --air keep (air='keep')"
        )


def write(
    store: Path, scan: Scan, codec: Any, layout: Layout, threads: int, memory: WorkingMemory
) -> dict[str, Any]:
    """Write the air of a scan into its new store; read both back, and merge them.

    Parameters
    ----------
    store : Path
        Of the scan.
    scan : Scan
        What was packed.
    codec : MedROI
        Fitted on it.
    layout : Layout
        Of the scan in its store.
    threads : int
        Chunks coded, and read back, at a time.
    memory : WorkingMemory
        For a slab of chunks.

    Returns
    -------
    dict
        Digests of the air, for those of the store.
    """
    config, region = codec.get_config(), codec.region
    codec_of_air = medroi.MedROI.lossless(
        _inner_beside(config["inner"]),
        background=region.background,
        slice_axis=config["slice_axis"],
        axes=region.axes,
    )
    background = arrays.constant((), scan.voxels.dtype, region.background_bits)
    air = Cleared(scan.voxels, region, background, inside=True)
    for _ in write_array(store / NAME, air, codec_of_air, layout, threads=threads):
        pass
    digests = _read_digests(store, threads, memory)
    if digests["voxels"] != _digest_of(scan.voxels, memory):
        raise CorruptStream(f"{store}: scan and air do not give back what was packed")
    return digests


def _inner_beside(inner: Mapping[str, Any]) -> dict[str, Any]:
    """The inner codec of the air of a scan that has this one.

    Noise is what general coders are worst at; of those that are as fast, predict3d's fast level is
    best. Who takes more time for fewer bytes gets those that the border of the region costs twice,
    in the scan and in its air, back from the densest level.
    """
    is_fast = inner["id"] != "predict3d" or inner == FAST
    return dict(FAST if is_fast else MAX)


def has_air(array: Any) -> bool:
    """Whether a store's digests name an air."""
    written = array.attrs.get(DIGESTS)
    return isinstance(written, dict) and isinstance(written.get(NAME), dict)


def open_air(path: Path, array: Any) -> Any:
    """Open the air of a store that has one.

    Raises
    ------
    CorruptStream
        Where it is missing, or is not of the scan.
    """
    air = open_beside(path, array, NAME)
    if air is None:
        raise CorruptStream(f"{path}: its air, the folder {NAME!r} in it, is missing")
    if (air.shape, air.dtype, air.chunks) != (array.shape, array.dtype, array.chunks):
        raise CorruptStream(f"{path}: its air has another shape, element type or chunks")
    return air


def merge(scan: npt.NDArray[Any], air: npt.NDArray[Any], background: Any) -> None:
    """Put the air into a part of the scan, in place; `background` is an element's value."""
    np.copyto(scan, air, where=~same_bits(air, np.asarray(background, air.dtype)))


def put_air(path: Path, array: Any, voxels: npt.NDArray[Any], memory: WorkingMemory) -> None:
    """Put the air of a store back into the voxels of its scan, in place.

    Raises
    ------
    CorruptStream
        Where the two are not what was packed.
    """
    air = open_air(path, array)

    def put(chunk: Chunk) -> None:
        merge(voxels[chunk.selection], chunk.voxels, air.fill_value)

    for _ in each_chunk(path, air, n_available_cores(), put):
        pass
    if _digest_of(voxels, memory) != array.attrs[DIGESTS][NAME]["voxels"]:
        raise CorruptStream(f"{path}: with its air it is not what was packed; nothing is written")


def check_air(path: Path, array: Any, memory: WorkingMemory) -> None:
    """Read the air of a store, and compare it and what it makes of the scan with the digests.

    Raises
    ------
    CorruptStream
        Where it is not what was packed.
    """
    if _read_digests(path, n_available_cores(), memory) != array.attrs[DIGESTS][NAME]:
        raise CorruptStream(f"{path}: its air is not that which was packed")


def gives_back(array: Any, scan: Scan, memory: WorkingMemory) -> bool:
    """Whether a store whose air was checked gives back this scan."""
    return bool(array.attrs[DIGESTS][NAME]["voxels"] == _digest_of(scan.voxels, memory))


def _read_digests(path: Path, threads: int, memory: WorkingMemory) -> dict[str, Any]:
    array = open_array(path)
    air = open_air(path, array)
    streams, voxels = StreamsDigest(), VoxelsDigest(array.shape, array.dtype, memory)
    both = (each_chunk(path, one, threads, lambda chunk: chunk) for one in (array, air))
    for (of_scan, _), (of_air, _) in zip(*both, strict=True):
        streams.add(of_air.position, of_air.stream)
        merge(of_scan.voxels, of_air.voxels, air.fill_value)
        voxels.add(of_scan.selection, of_scan.voxels)
    return {"streams": streams.hexdigest(), "voxels": voxels.hexdigest()}


def _digest_of(voxels: npt.NDArray[Any], memory: WorkingMemory) -> str:
    digest = VoxelsDigest(voxels.shape, voxels.dtype, memory)
    digest.add_slab(voxels)
    return digest.hexdigest()


def nbytes_of(path: Path) -> int:
    """Bytes of all files of a store's air; 0 where there is none."""
    return nbytes_below(files_of(path), f"{NAME}/")
