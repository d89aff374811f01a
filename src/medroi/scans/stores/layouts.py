"""The layouts of a store, and what the name of a target says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medroi.errors import InvalidArgument, NoRoom
from medroi.scans.chunking import LARGE_NBYTES, chunk_shape
from medroi.scans.scan import Scan
from medroi.scans.stores import hdf5_minc, hdf5_store
from medroi.scans.stores.group import ome


@dataclass(frozen=True)
class Kind:
    """A layout by its name.

    Attributes
    ----------
    in_group : bool
        An OME-Zarr group, its chunks in one shard; else an array that stands alone.
    chunks : "volume" or int
        Edge of a chunk, of an image of one plane `_OF_PLANE` times that; one chunk for each volume.
    inner : dict
        Configuration of the inner codec.
    """

    in_group: bool
    chunks: str | int
    inner: Mapping[str, Any]


# Inner codecs of `pack` where nobody names one.
FAST = MappingProxyType({"id": "predict3d", "level": "fast"})
DENSE = MappingProxyType({"id": "predict3d", "level": "dense"})
MAX = MappingProxyType({"id": "predict3d", "level": "max"})

LAYOUTS: Mapping[str, Kind] = MappingProxyType(
    {
        "viewer": Kind(True, 64, FAST),
        "archive": Kind(True, "volume", MAX),
        "training": Kind(True, 32, FAST),
        "bare": Kind(False, "volume", FAST),
    }
)
DEFAULT = "viewer"
# A square of 512 has as many pixels as a cube of 64 has voxels, which a coder needs to learn from.
_OF_PLANE = 8
# A group is OME-Zarr and nifti-zarr at once. The last is a Zarr array, unless a layout is given.
_OF_GROUPS = (".ome.zarr", ".nii.zarr")
_OF_ANY = ".zarr"
_ZIP = ".zip"
GROUP_SUFFIX = _OF_GROUPS[0]


@dataclass(frozen=True)
class Target:
    """A store that is to be written.

    Attributes
    ----------
    path : Path
        Of the Zarr store, or the HDF5 file with the dataset's name behind it.
    place : Place or None
        File and dataset; None of a Zarr store.
    layout : str
        Its name.
    is_zip : bool
        Whether the store becomes one zip file.
    must_be_nifti_zarr : bool
        Whether the name promises what a scan may not have: a NIfTI header.
    must_be_group : bool
        Whether the name promises a group.
    """

    path: Path
    place: hdf5_store.Place | None
    layout: str
    is_zip: bool = False
    must_be_nifti_zarr: bool = False
    must_be_group: bool = False

    @property
    def kind(self) -> Kind:
        """The layout."""
        return LAYOUTS[self.layout]


def target_of(path: Path, layout: str | None, source: Path | None = None) -> Target:
    """Find out what a name and a layout ask for.

    Parameters
    ----------
    path : Path
        The target of a pack.
    layout : str or None
        One of `LAYOUTS`; None is what the name says.
    source : Path, optional
        What is packed: a MINC file becomes MINC 2 in an HDF5 file, where no dataset is named.

    Raises
    ------
    InvalidArgument
        For names that say nothing, and those that promise what the layout is not.
    """
    if layout is not None and layout not in LAYOUTS:
        raise InvalidArgument(f"layout={layout!r}: expected one of {', '.join(LAYOUTS)}")
    place = hdf5_store.split_target(path)
    if place is not None:
        is_minc = _is_minc(place.file)
        if place.file == path and (is_minc or (source is not None and _is_minc(source))):
            place = hdf5_store.Place(path, hdf5_minc.IMAGE)
        elif is_minc or place.is_minc:
            raise InvalidArgument(
                f"{path}: a MINC file holds one scan, which has no name; name {place.file}"
            )
        return Target(path, place, layout or "bare")
    name = path.name.lower()
    is_zip = name.endswith(_ZIP)
    stem = name.removesuffix(_ZIP)
    suffix = next((one for one in (*_OF_GROUPS, _OF_ANY) if stem.endswith(one)), None)
    if suffix is None:
        raise InvalidArgument(
            f"{path}: expected a name that ends with .ome.zarr, .nii.zarr, .zarr, one of these and "
            f".zip, {', '.join(hdf5_store.SUFFIXES)}, or an existing folder"
        )
    is_promised = suffix != _OF_ANY
    if is_promised and layout is not None and not LAYOUTS[layout].in_group:
        raise InvalidArgument(
            f"{path}: {suffix} names a group, and --layout {layout} (layout={layout!r}) an array "
            "that stands alone; name it .zarr, or leave out the layout"
        )
    return Target(
        path,
        None,
        layout or (DEFAULT if is_promised else "bare"),
        is_zip=is_zip,
        must_be_nifti_zarr=suffix == ".nii.zarr",
        must_be_group=is_promised,
    )


def _is_minc(path: Path) -> bool:
    return path.suffix.lower() in hdf5_minc.SUFFIXES


def kind_for(scan: Scan, wanted: Target) -> tuple[Kind, tuple[str, ...]]:
    """The layout that a scan gets, and a note where it is not the one that was asked for.

    Raises
    ------
    InvalidArgument
        Where the name of the target promises what this scan cannot be.
    """
    kind, n_axes = wanted.kind, scan.voxels.ndim
    if wanted.place is not None and wanted.place.is_minc:
        hdf5_minc.check_possible(scan, wanted.path)
    if wanted.place is not None or not kind.in_group:
        return kind, ()
    if not ome.has_room(n_axes):
        why = f"a group has no room for a scan of {n_axes} axes"
        if wanted.must_be_group:
            raise NoRoom(
                f"{wanted.path}: {why}; name the target .zarr, for an array that stands alone"
            )
        return LAYOUTS["bare"], (f"{why}: it is stored as an array that stands alone",)
    if wanted.must_be_nifti_zarr and ome.header_of(scan) is None:
        raise InvalidArgument(
            f"{wanted.path}: NIfTI has no voxels of type {scan.voxels.dtype}; name the target "
            ".ome.zarr"
        )
    return kind, ()


def cut_of(
    kind: Kind, voxels: Any, chunks: Sequence[int] | str | None, *, in_c_order: bool = False
) -> tuple[int, ...]:
    """The chunk shape of a scan in a layout; a group has the volumes of a series apart.

    So have datasets in C order where a chunk is a volume: time would be innermost.
    """
    shape = voxels.shape
    asked = kind.chunks if chunks is None else chunks
    if chunks is None and isinstance(asked, int) and sum(size > 1 for size in shape[:3]) < 3:
        asked *= _OF_PLANE
    asked = (asked,) if isinstance(asked, int) else asked
    each_volume = kind.in_group or (in_c_order and asked == "volume")
    cut = chunk_shape(shape, LARGE_NBYTES + 1 if each_volume else voxels.nbytes, asked)
    if kind.in_group and not isinstance(asked, str) and len(asked) <= 3:
        return cut[:3] + (1,) * (len(shape) - 3)
    return cut
