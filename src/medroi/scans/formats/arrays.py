"""Arrays of other programs: OME-Zarr, bare Zarr arrays and HDF5 datasets, as scans.

Axes and millimetres are taken by name and unit from where the program wrote them, and never
guessed: what is not said is noted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import AlreadyPacked, InvalidArgument
from medroi.scans.formats.elements import Elements, elements_of
from medroi.scans.formats.nifti_header import header_class, parsed
from medroi.scans.scan import AXIS_NAMES, Scan, usable_affine
from medroi.working_memory import WorkingMemory

# Axes of a scan by their names elsewhere, in the order that a scan has them.
_ORDER = ("x", "y", "z", "t", "c")
_NAMES = {
    **{name: name for name in _ORDER},
    "time": "t",
    "channel": "c",
    "channels": "c",
    "row": "y",
    "column": "x",
    "col": "x",
    "slice": "z",
    "plane": "z",
}
_MM = {
    "millimeter": 1.0,
    "millimetre": 1.0,
    "mm": 1.0,
    "micrometer": 1e-3,
    "micron": 1e-3,
    "um": 1e-3,
    "nanometer": 1e-6,
    "nm": 1e-6,
    "centimeter": 10.0,
    "cm": 10.0,
    "inch": 25.4,
    "decimeter": 100.0,
    "angstrom": 1e-7,
    "meter": 1e3,
    "m": 1e3,
}
_HEADER = "nifti"

# Names of the axes, millimetres per step and of the first voxel along each, and notes.
_Said = tuple[list[str] | None, list[float] | None, list[float] | None, tuple[str, ...]]


def is_array(path: Path) -> bool:
    """Whether a path names a Zarr store, or an HDF5 file or a dataset of one."""
    # Stores know this package: they read files of scans too.
    from medroi.scans.stores.hdf5_store import split_source
    from medroi.scans.stores.replacing import is_store

    return is_store(path) or (not path.is_dir() and split_source(path) is not None)


def read(path: Path, memory: WorkingMemory) -> Scan:
    """Read an array that another program wrote.

    Raises
    ------
    InvalidArgument
        For a store that `pack` wrote, and arrays that are no scan.
    """
    from medroi.scans.stores.hdf5_store import split_source

    place = None if path.is_dir() else split_source(path)
    with _of_zarr(path) if place is None else _of_hdf5(path, place) as found:
        return _scan(path, found, memory)


@dataclasses.dataclass(frozen=True)
class _Found:
    """An array of a store, of which nothing is read yet, what is said of it, and its affine."""

    stored: Any
    said: _Said
    affine: npt.NDArray[np.float64] | None


def _scan(path: Path, found: _Found, memory: WorkingMemory) -> Scan:
    shape, dtype = tuple(found.stored.shape), np.dtype(found.stored.dtype)
    elements = elements_of(np.dtype(np.uint8) if dtype == np.bool_ else dtype, path)
    names, scale_mm, shift_mm, notes = found.said
    if elements.components:
        names = None if names is None else [*names, "c"]
        shape += (len(elements.components),)
    if not 1 <= len(shape) <= 7 or 0 in shape:
        raise InvalidArgument(f"{path}: an array of shape {shape}, which is no scan")
    axis_names, order, more = _scan_order(len(shape), names)
    affine = np.eye(4)
    for place_of, axis in enumerate(order[:3] if scale_mm is not None else ()):
        if axis_names[place_of] in ("x", "y", "z") and axis >= 0:
            affine[place_of, place_of] = scale_mm[axis]  # type: ignore[index]
            affine[place_of, 3] = 0.0 if shift_mm is None else shift_mm[axis]
    affine, of_affine = usable_affine(affine)
    if found.affine is not None:
        affine, notes = found.affine, ()
    voxels = _voxels(found.stored, shape, elements, order, memory)
    if names is not None and not elements.components:
        voxels, axis_names = _without_single(voxels, axis_names)
    details: dict[str, Any] = {"axis_names": list(axis_names)}
    if elements.components:
        details["components"] = elements.components
    return Scan(
        voxels=voxels,
        kind="array",
        affine=affine,
        meaning=elements.meaning,
        details=details,
        notes=(*notes, *more, *of_affine),
    )


def _without_single(
    voxels: npt.NDArray[Any], names: tuple[str, ...]
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Leave out a time and a channel that are alone, as microscopes write them."""
    kept = [
        axis
        for axis, name in enumerate(names)
        if axis < 3 or name not in ("t", "c") or voxels.shape[axis] > 1
    ]
    shape = tuple(voxels.shape[axis] for axis in kept)
    return voxels.reshape(shape, order="F"), tuple(names[axis] for axis in kept)


def _voxels(
    stored: Any, shape: tuple[int, ...], elements: Elements, order: list[int], memory: WorkingMemory
) -> npt.NDArray[Any]:
    """Read an array in the order of a scan, a block of chunks at a time where it is large.

    Parameters
    ----------
    stored : array of zarr or h5py
    shape : tuple of int
        Of its numbers: those of a voxel are the last axis.
    elements : Elements
        Of its voxels.
    order : list of int
        The axis of `shape` of each axis of the scan; -1 where there is none.
    memory : WorkingMemory
        For the voxels, and for a block.
    """
    dtype = elements.dtype.newbyteorder("=")
    voxels = memory.array(tuple(shape[axis] if axis >= 0 else 1 for axis in order), dtype, "F")
    n_axes = len(stored.shape)
    axes = [axis for axis in order if axis >= 0]
    missing = [place for place, axis in enumerate(order) if axis < 0]
    for block in _blocks(stored, [axis for axis in axes[::-1] if axis < n_axes], memory):
        values = np.asarray(stored[block])
        if elements.components:
            values = np.ascontiguousarray(values)[..., None].view(elements.dtype)
        target = tuple(block[axis] if 0 <= axis < n_axes else slice(None) for axis in order)
        voxels[target] = np.expand_dims(values.transpose(axes), missing)
    return voxels


def _blocks(stored: Any, axes: list[int], memory: WorkingMemory) -> Iterator[tuple[slice, ...]]:
    """Cut an array into blocks of chunks for which there is memory, along these axes first."""
    shape, itemsize = stored.shape, np.dtype(stored.dtype).itemsize
    chunks, block = stored.chunks or (1,) * len(shape), list(shape)
    for axis in axes:
        nbytes = itemsize * math.prod(block)
        if nbytes <= memory.array_nbytes:
            break
        n_chunks = memory.array_nbytes // max(1, nbytes // block[axis] * chunks[axis])
        block[axis] = min(shape[axis], max(1, n_chunks) * chunks[axis])
    # The first of the axes is the outermost in memory.
    outer = [range(0, shape[axis], block[axis]) for axis in axes]
    for corner in itertools.product(*outer):
        at = dict(zip(axes, corner, strict=True))
        yield tuple(
            slice(at[axis], min(at[axis] + block[axis], shape[axis])) for axis in range(len(shape))
        )


@contextlib.contextmanager
def _of_zarr(path: Path) -> Iterator[_Found]:
    from medroi.scans.stores.opened import open_store

    store = open_store(path)
    if store.facts is not None:
        raise AlreadyPacked(f"{path}: a packed scan already; unpack it first")
    attributes = dict(store.in_scan_order.attrs)
    said = _by_ome(path, store.array.ndim, attributes.get("ome", attributes))
    if said is None:
        names = getattr(store.array.metadata, "dimension_names", None)
        said = _by_names(names or attributes.get("_ARRAY_DIMENSIONS"))
    yield _Found(store.array, said, _nifti_affine(path))


@contextlib.contextmanager
def _of_hdf5(path: Path, place: Any) -> Iterator[_Found]:
    from medroi.scans.stores import hdf5_store

    h5py = hdf5_store.h5py_module()
    with hdf5_store.reading(place.file) as file:
        found: list[str] = []
        file.visititems(
            lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
        )
        name = place.name or (found[0] if len(found) == 1 else "")
        if name not in found:
            raise InvalidArgument(
                f"{path}: name one of its datasets, as in {place.file}/NAME; there are: "
                f"{', '.join(found[:20]) or 'none'}"
            )
        dataset = file[name]
        if hdf5_store.ATTRIBUTE in dataset.attrs:
            raise AlreadyPacked(f"{path}: a packed scan already; unpack it first")
        yield _Found(dataset, _by_names([dimension.label for dimension in dataset.dims]), None)


def _by_ome(path: Path, n_axes: int, found: Any) -> _Said | None:
    """Names, millimetres per step and of the first voxel, one per axis, by OME-Zarr."""
    if not isinstance(found, dict) or "multiscales" not in found:
        return None
    image = found["multiscales"][0]
    axes = image["axes"]
    names = [str(axis["name"]).lower() for axis in axes]
    scale, shift = np.ones(len(axes)), np.zeros(len(axes))
    of_level = image["datasets"][0].get("coordinateTransformations", [])
    for one in (*of_level, *image.get("coordinateTransformations", [])):
        if one["type"] == "scale":
            scale, shift = scale * one["scale"], shift * one["scale"]
        elif one["type"] == "translation":
            shift = shift + one["translation"]
    notes = ["OME-Zarr does not say how the patient lies; its axes are taken for those of the scan"]
    for axis, entry in enumerate(axes):
        unit = entry.get("unit")
        if names[axis] in ("x", "y", "z"):
            if unit not in _MM:
                notes.append(f"axis {names[axis]} has the unit {unit}; it is taken for millimetres")
            scale[axis] *= _MM.get(unit, 1.0)
            shift[axis] *= _MM.get(unit, 1.0)
    if len(names) != n_axes or not np.isfinite([scale, shift]).all():
        raise InvalidArgument(f"{path}: its OME metadata are those of another array")
    return names, scale.tolist(), shift.tolist(), tuple(notes)


def _by_names(names: Any) -> _Said:
    """Names of axes, where every one has some; nothing else is said."""
    notes = ("the array does not say how large its voxels are; 1 mm is stored for all axes",)
    if not names or not all(isinstance(name, str) and name for name in names):
        return None, None, None, notes
    return [name.lower() for name in names], None, None, notes


def _scan_order(
    ndim: int, names: list[str] | None
) -> tuple[tuple[str, ...], list[int], tuple[str, ...]]:
    """Names of the scan's axes, x, y, z in front, the stored axis of each or -1, and notes."""
    known = None if names is None else [_NAMES.get(name) for name in names]
    if known is None or None in known or len(set(known)) < len(known) or "x" not in known:
        what = "no names" if names is None else f"the names {', '.join(names)}"
        note = f"the axes have {what}; they are taken as x, y, z in the order that is stored"
        return AXIS_NAMES[:ndim], list(range(ndim)), (note,)
    order = sorted(range(ndim), key=lambda axis: _ORDER.index(str(known[axis])))
    found = [str(known[axis]) for axis in order]
    # Of space a scan has x, y and z, before what is none.
    for place, name in enumerate(("x", "y", "z")):
        if len(found) > place and name not in found and set(found) & {"t", "c"}:
            found.insert(place, name)
            order.insert(place, -1)
    return tuple(found), order, ()


def _nifti_affine(path: Path) -> npt.NDArray[np.float64] | None:
    """The affine of the NIfTI header that a nifti-zarr group has; None in any other store."""
    from medroi.scans.stores.zarr_array import open_root

    root = open_root(path)
    if _HEADER not in list(getattr(root, "array_keys", tuple)()):
        return None
    data = np.asarray(root[_HEADER][...]).tobytes()
    found = header_class(data)
    if found is None:
        return None
    affine, notes = usable_affine(parsed(found[0], data, path).get_best_affine())
    return None if notes else affine
