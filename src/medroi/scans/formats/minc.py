"""MINC 1 (NetCDF) and MINC 2 (HDF5) files, read with nibabel.

The voxels of MINC 1, and those of MINC 2 that are neither cut nor compressed, lie in one piece. Of
any other MINC 2 file the chunks are made again of the voxels, or kept (`sources.chunks`).
"""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import AlreadyPacked, InvalidArgument
from medroi.scans.formats.files import read_footer, read_voxels
from medroi.scans.scaling import RESCALE_PER_SLICE
from medroi.scans.scan import (
    AXIS_NAMES,
    VALID_RANGE,
    Scan,
    checked_dtype,
    require,
    usable_affine,
)
from medroi.scans.sources import deflate
from medroi.scans.sources.chunks import Chunk, Grid, Settings, with_file
from medroi.scans.sources.pieces import pieces_around
from medroi.scans.sources.reading import source_opened
from medroi.scans.sources.source import SourceFile
from medroi.working_memory import WorkingMemory

SUFFIXES = (".mnc",)
# The voxels in MINC 2.
IMAGE = "minc-2.0/image/0/image"
_HDF5_MAGIC = b"\x89HDF"


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read one MINC file."""
    nibabel = require("nibabel", "reading MINC")
    with path.open("rb") as start:
        is_hdf5 = start.read(4) == _HDF5_MAGIC
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It maps the file into memory, and reads no voxel.
        minc = nibabel.load(path).dataobj.minc_file
        names, dtype = [str(name) for name in minc._dim_names], np.dtype(minc.get_data_dtype())
        sizes = tuple(int(size) for size in minc.get_data_shape())
        affine, scaling = minc.get_affine(), _scaling(minc, names, sizes)
    checked_dtype(dtype, path)
    place = _place_in_hdf5(path, sizes, dtype) if is_hdf5 else _place_in_netcdf(path)
    if place is None:
        stored, header, footer = _chunked(path), b"", b""
        sources: tuple[SourceFile, ...] = ()
    else:
        stored, header, footer, source = _in_one_piece(path, place, sizes, dtype, memory)
        sources = (source,)
    scan = _scan(
        Scan(
            voxels=stored,
            kind="minc",
            affine=affine,
            header=header,
            footer=footer,
            byte_order=">" if dtype.newbyteorder("=") != dtype else "<",
            details=scaling,
            sources=sources,
        ),
        names,
    )
    return _with_chunks(scan, path) if place is None else scan


def _in_one_piece(
    path: Path,
    place: int,
    sizes: tuple[int, ...],
    dtype: np.dtype[Any],
    memory: WorkingMemory,
) -> tuple[npt.NDArray[Any], bytes, bytes, SourceFile]:
    with source_opened(path) as file:
        header = file.read(place)
        stored = read_voxels(file, sizes[::-1], dtype, path, memory)
        footer = read_footer(file, path)
        source = file.finish()
    pieces = pieces_around(len(header), stored.nbytes, len(footer))
    return stored, header, footer, dataclasses.replace(source, pieces=pieces)


def _place_in_netcdf(path: Path) -> int:
    """Where the voxels begin: the array of the reader is a view of the mapped file."""
    netcdf: Any = require("nibabel.externals.netcdf", "reading MINC")
    file = netcdf.netcdf_file(str(path), "r", mmap=True)
    image = file.variables["image"]
    if image.isrec:
        raise InvalidArgument(
            f"{path}: voxels in records; write the file anew with mincreshape or mincconvert"
        )
    place = int(image.data.ctypes.data - file._mm_buf.ctypes.data)
    if not 0 <= place <= path.stat().st_size:
        raise InvalidArgument(f"{path}: its voxels are not in it")
    # The file stays mapped while a view of it lives.
    del image
    file.close()
    return place


def _place_in_hdf5(path: Path, sizes: tuple[int, ...], dtype: np.dtype[Any]) -> int | None:
    """Where the voxels begin; None where they are cut, compressed or not written."""
    from medroi.scans.stores.hdf5_store import ATTRIBUTE

    h5py = require("h5py", "reading MINC 2", "hdf5")
    with h5py.File(path, "r") as file:
        dataset = file[IMAGE]
        if ATTRIBUTE in dataset.attrs:
            raise AlreadyPacked(f"{path}: a packed scan already; unpack it first")
        if (tuple(dataset.shape), dataset.dtype) != (sizes, dtype):
            raise InvalidArgument(f"{path}: its image has another shape or type than it says")
        offset = None if dataset.chunks else dataset.id.get_offset()
        return None if offset is None else int(offset)


def _chunked(path: Path) -> npt.NDArray[Any]:
    h5py = require("h5py", "reading MINC 2", "hdf5")
    with h5py.File(path, "r") as file:
        values: npt.NDArray[Any] = np.asarray(file[IMAGE][...])
    return values.astype(values.dtype.newbyteorder("="), copy=False).T


def _with_chunks(scan: Scan, path: Path) -> Scan:
    """Add the file, whose chunks are made again where deflate, or nothing, compressed them."""
    h5py = require("h5py", "reading MINC 2", "hdf5")
    grid, found, candidates = None, [], list[Settings]()
    with h5py.File(path, "r") as file:
        dataset = file[IMAGE]
        created = dataset.id.get_create_plist()
        pipeline = [created.get_filter(number) for number in range(created.get_nfilters())]
        codes = [code for code, *_ in pipeline]
        shuffle, deflated = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE
        if dataset.chunks and codes in ([], [shuffle], [deflated], [shuffle, deflated]):
            candidates = [None]
            if deflated in codes:
                level = int(pipeline[-1][2][0])
                candidates = [*deflate.of_zlib([level]), *deflate.of_zlib_ng()]
            grid = Grid(
                shape=dataset.shape,
                chunk=dataset.chunks,
                dtype=dataset.dtype,
                filter="shuffle" if shuffle in codes else "",
                fill=np.asarray(dataset.fillvalue, dataset.dtype).tobytes(),
            )
            chunks = map(dataset.id.get_chunk_info, range(dataset.id.get_num_chunks()))
            found = [
                Chunk(int(info.byte_offset), int(info.size), tuple(map(int, info.chunk_offset)))
                for info in chunks
                if info.filter_mask == 0
            ]
    return with_file(scan, path.name, path.read_bytes(), grid, found, candidates)


def _scaling(minc: Any, names: list[str], sizes: tuple[int, ...]) -> dict[str, Any]:
    """Slopes and intercepts from stored values to those that the file means."""
    dtype = np.dtype(minc.get_data_dtype())
    if dtype.kind == "f":
        return {}
    low, high = minc._get_valid_range()
    limits, details = np.iinfo(dtype), dict[str, Any]()
    if (low, high) != (limits.min, limits.max):
        details[VALID_RANGE] = [float(low), float(high)]
    scaled = [str(name) for name in minc._get_dimensions(minc._image_max)]
    top, bottom = (
        np.asarray(minc._get_array(one) if scaled else minc._get_scalar(one), np.float64)
        for one in (minc._image_max, minc._image_min)
    )
    slope = (top - bottom) / (high - low)
    intercept = bottom - low * slope
    if slope.size == 1 or (np.ptp(slope) == 0 and np.ptp(intercept) == 0):
        return {
            **details,
            "slope": float(slope.flat[0]),
            "intercept": float(intercept.flat[0]),
        }
    if scaled != names[: len(scaled)] or len(scaled) > len(sizes) - 2:
        raise InvalidArgument("slopes that vary along an axis of the slices")
    shape = (*slope.shape, *(1,) * (len(sizes) - 2 - slope.ndim))
    slope, intercept = (
        np.broadcast_to(one.reshape(shape), sizes[:-2]).T for one in (slope, intercept)
    )
    table = {"slope": slope.tolist(), "intercept": intercept.tolist()}
    return {**details, RESCALE_PER_SLICE: table}


def _scan(scan: Scan, names: list[str]) -> Scan:
    """Put the axes of space in front, the innermost in the file first."""
    inner_first = names[::-1]
    spatial = [axis for axis, name in enumerate(inner_first) if name.endswith("space")]
    others = [axis for axis in range(len(names)) if axis not in spatial]
    order = [*spatial, *others]
    details = dict(scan.details)
    slope, intercept = details.pop("slope", 1.0), details.pop("intercept", 0.0)
    if order != sorted(order):
        if RESCALE_PER_SLICE in details:
            raise InvalidArgument("slopes that vary between slices, of which the axes are not last")
        details["file_axes"] = [order.index(axis) for axis in range(len(order))]
    if others:
        of_others = ["t" if inner_first[axis] == "time" else "c" for axis in others]
        details["axis_names"] = [*AXIS_NAMES[: len(spatial)], *of_others]
    # nibabel's columns are those of the file, the outermost axis first.
    affine = np.eye(4)
    n_axes = len(spatial)
    affine[:n_axes, :n_axes] = scan.affine[:n_axes, :n_axes][:, ::-1]
    affine[:n_axes, 3] = scan.affine[:n_axes, n_axes]
    affine, notes = usable_affine(affine)
    return dataclasses.replace(
        scan,
        voxels=np.asfortranarray(scan.voxels.transpose(order)),
        affine=affine,
        slope=slope,
        intercept=intercept,
        details=details,
        notes=scan.notes + notes,
    )
