"""The Zarr layout of a packed scan.

The store is one Zarr array, so that ``zarr.open(path)`` gives the voxels directly: the stored
values in the file's own dtype, little-endian, with the file's axes (x, y, z and, where there is
one, t last). Chunks are handed to the codec in Fortran order, the order of the file, so that the
payload is cut into axial slices; format 2 says so in its metadata, format 3 has no such field and
the stream itself records it. What the voxels do not say lies in the attribute ``medroi``.

Every chunk is written, empty ones too: a missing file is a loss, and `unpack` refuses it. What the
store has to hold is written down beside it (`digests`).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import importlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable, InvalidArgument, MedROIError
from medroi.scans.chunking import Selection
from medroi.scans.formats.files import readable
from medroi.scans.scan import KINDS, Scan, require
from medroi.scans.sources.source import source_of_json
from medroi.scans.stores import hdf5_store
from medroi.scans.stores.files import Files, Folder, files_of, is_zip
from medroi.scans.stores.group.array import ScanArray, turned_config
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.shards import Shards
from medroi.scans.stores.staging import recover

ATTRIBUTE = "medroi"
LAYOUT_VERSION = 2
# Folder of a store in which the air that was kept aside lies.
AIR = "air"
# The axes of OME-Zarr, in their order: those of a scan, the last one first.
_OME_ORDER = ("t", "c", "z", "y", "x")

Advance = Callable[[int], None]


def zarr_3() -> Any:
    """Import zarr, which then finds our codecs by their entry points."""
    zarr = require("zarr", "a Zarr store")
    if not hasattr(zarr, "create_array"):
        raise InnerUnavailable(
            f"a Zarr store needs zarr 3, here is zarr {zarr.__version__}: pip install 'zarr>=3'"
        )
    return zarr


@contextlib.contextmanager
def reading(path: Path, array: Any = None) -> Iterator[None]:
    """Give errors of other libraries about a damaged store its name, and our family.

    Where it is an HDF5 file, it stays open inside.
    """
    with readable(path, "damaged, or not written by pack", keep=(OSError, MemoryError)):
        if isinstance(array, Hdf5Array):
            with array.opened():
                yield
        else:
            yield


def open_array(path: Path) -> Any:
    """Open the voxels of a store for reading, with the axes of the scan.

    Parameters
    ----------
    path : Path
        A Zarr array of any of the formats, an OME-Zarr group, of which it is the array at full
        size, one of these in a zip file, or a dataset of an HDF5 file.

    Returns
    -------
    zarr.Array, ScanArray or Hdf5Array
    """
    place = None if is_zip(path) else hdf5_store.split_source(path)
    if place is not None:
        return Hdf5Array(place)
    zarr = zarr_3()
    if not path.exists():
        # A kill may have left it where only its successor was to be.
        recover(Path(os.path.realpath(path)))
    if not path.is_dir() and not is_zip(path):
        what = "is not a folder" if path.exists() else "does not exist"
        raise InvalidArgument(
            f"{path} {what}; expected a Zarr array or group, one in a zip file, or an HDF5 file"
        )
    try:
        opened = open_root(path)
        if isinstance(opened, zarr.Group):
            opened = of_group(opened, files_of(path))
        elif path.is_file():
            opened = ScanArray(opened, files_of(path), "", dict(opened.attrs), axes_reversed=False)
        if opened is not None:
            # A damaged chunk grid, and damaged attributes, are found out only here.
            _ = (opened.chunks, opened.cdata_shape, opened.nchunks, opened.dtype)
            _ = dict(opened.attrs)
            return opened
        with warnings.catch_warnings():
            # Zarr lists what it does not know; that there is no array says the error.
            warnings.simplefilter("ignore")
            names = ", ".join(open_root(path).array_keys())
    except (PermissionError, MemoryError):
        raise
    except MedROIError as error:
        raise type(error)(f"{path}: {error}") from error
    except Exception as error:
        what = str(error) or type(error).__name__
        raise InvalidArgument(f"{path}: not a Zarr array, or a damaged one ({what})") from error
    raise InvalidArgument(f"{path}: a Zarr group; name one of its arrays: {names}")


def open_root(path: Path) -> Any:
    """Open what stands at a path in a folder or a zip file, an array or a group, for reading."""
    return zarr_3().open(_zarr_store(path), mode="r")


def open_beside(path: Path, array: Any, name: str) -> ScanArray | None:
    """Open another array in the store of an array; None where there is none.

    Parameters
    ----------
    path : Path
        Of the store.
    array : Zarr array or ScanArray
        From `open_array`: its axes are those of the other one.
    name : str
        Of the other one.
    """
    stored, files, _ = stored_in(path, array)
    try:
        # Of the store that is open already, which may lie behind a URL.
        found = zarr_3().open_array(stored.store, path=name, mode="r")
    except FileNotFoundError:
        return None
    return ScanArray(
        found,
        files,
        f"{name}/",
        {},
        axes_reversed=isinstance(array, ScanArray) and array.axes_reversed,
    )


class _CompactJson:
    """Counts who wants zarr's one configuration to be so, over all threads of the process."""

    def __init__(self) -> None:
        self._lock, self._n_users = threading.Lock(), 0
        self._until_none = contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Let zarr write metadata without line breaks: small scans are smaller."""
        with self._lock:
            if not self._n_users:
                self._until_none.enter_context(zarr_3().config.set({"json_indent": None}))
            self._n_users += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_users -= 1
                if not self._n_users:
                    self._until_none.close()


compact_json = _CompactJson()


def _zarr_store(path: Path) -> Any:
    if path.is_dir():
        return str(path)
    return importlib.import_module("zarr.storage").ZipStore(path, mode="r")


def of_group(group: Any, files: Files) -> ScanArray | None:
    """The array at full size of an OME-Zarr group; None in any other group.

    Parameters
    ----------
    group : zarr.Group
    files : Files
        Of its store.
    """
    attributes = dict(group.attrs)
    try:
        # Before 0.5 it stood among the attributes themselves.
        image = attributes.get("ome", attributes)["multiscales"][0]
        name, axes = image["datasets"][0]["path"], [axis["name"] for axis in image["axes"]]
        stored = group[name]
    except (KeyError, TypeError, IndexError):
        return None
    in_reverse = axes == [name for name in _OME_ORDER if name in axes]
    return ScanArray(
        stored, files, f"{name}/", attributes, axes_reversed=in_reverse and len(axes) > 1
    )


def chunk_selections(array: Any) -> Iterator[tuple[tuple[int, ...], Selection]]:
    """Give every chunk's grid position and the part of the array that it holds.

    The last axis is outermost, as in the scan's file: chunks of one slab follow each other.
    """
    if not array.cdata_shape:
        yield (), ()
        return
    *counts, n_slabs = array.cdata_shape
    for slab, *others in product(range(n_slabs), *map(range, counts)):
        position = (*others, slab)
        yield (
            position,
            tuple(
                slice(index * chunk, min((index + 1) * chunk, size))
                for index, chunk, size in zip(position, array.chunks, array.shape, strict=True)
            ),
        )


def each_stream(
    path: Path, array: Any
) -> Iterator[tuple[tuple[int, ...], Selection, bytes | None]]:
    """Give what `chunk_selections` does, and the bytes of each stream; None where there are none.

    Others leave chunks out that hold nothing but the fill value. `pack` does not.
    """
    read = stream_reader(path, array)
    for position, selection in chunk_selections(array):
        yield position, selection, read(position)


def stream_reader(path: Path, array: Any) -> Callable[[tuple[int, ...]], bytes | None]:
    """Make a function that reads the bytes of one chunk's stream by the chunk's grid position."""
    if isinstance(array, Hdf5Array):
        return array.stream
    stored, files, key = stored_in(path, array)
    if getattr(stored, "shards", None) is not None:
        of_stored = Shards(path, files, key, stored).stream
    else:

        def of_stored(position: tuple[int, ...]) -> bytes | None:
            return files.read(key + stored.metadata.encode_chunk_key(position))

    if isinstance(array, ScanArray):
        return lambda position: of_stored(array.turned(position))
    return of_stored


def stored_in(path: Path, array: Any) -> tuple[Any, Files, str]:
    """The Zarr array behind one of `open_array`, the files of its store, and its key there."""
    if isinstance(array, ScanArray):
        return array.stored, array.files, array.key
    return array, Folder(path), ""


def attributes_of(scan: Scan) -> dict[str, Any]:
    """Put into JSON what the voxels do not say."""
    return {
        "layout_version": LAYOUT_VERSION,
        "kind": scan.kind,
        "affine": scan.affine.tolist(),
        "spacing_mm": list(scan.spacing_mm),
        "axis_names": list(scan.axis_names),
        "slope": scan.slope,
        "intercept": scan.intercept,
        "byte_order": scan.byte_order,
        "header_base64": base64.b64encode(scan.header).decode("ascii"),
        "footer_base64": base64.b64encode(scan.footer).decode("ascii"),
        "details": scan.details,
        "sources": [file.to_json() for file in scan.sources],
    }


def scan_of(voxels: npt.NDArray[Any], attributes: dict[str, Any], path: Path) -> Scan:
    """Join voxels and attributes into the scan that was packed."""
    try:
        affine = np.asarray(attributes["affine"], dtype=np.float64)
        if affine.shape != (4, 4):
            raise ValueError(f"an affine of shape {affine.shape}")
        kind, byte_order = attributes["kind"], attributes["byte_order"]
        if kind not in KINDS or byte_order not in ("<", ">"):
            raise ValueError(f"kind {kind!r} and byte order {byte_order!r}")
        return Scan(
            voxels=voxels,
            kind=kind,
            affine=affine,
            header=base64.b64decode(attributes["header_base64"], validate=True),
            footer=base64.b64decode(attributes["footer_base64"], validate=True),
            byte_order=byte_order,
            slope=float(attributes["slope"]),
            intercept=float(attributes["intercept"]),
            details=dict(attributes["details"]),
            sources=tuple(map(source_of_json, attributes.get("sources", ()))),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InvalidArgument(
            f"{path}: the attribute {ATTRIBUTE!r} is damaged ({error}); read the voxels themselves "
            "with zarr.open"
        ) from error


def foreign_scan(voxels: npt.NDArray[Any], config: dict[str, Any] | None) -> Scan:
    """Make a scan of an array that `pack` did not write; only its codec knows an affine."""
    affine = np.eye(4)
    if config is not None and config["affine"] is not None:
        affine[:3, :3] = config["affine"]
    return Scan(voxels=voxels, kind="array", affine=affine)


def check_says_all(path: Path, array: Any) -> None:
    """Refuse the image of a MINC file that `pack` did not write: MINC says where it lies.

    Raises
    ------
    InvalidArgument
    """
    if isinstance(array, Hdf5Array) and array.axes_reversed and ATTRIBUTE not in array.attrs:
        raise InvalidArgument(
            f"{path}: a MINC file that another program wrote, with MedROI's filter; `medroi pack`, "
            "nibabel and MINC's own programs read it with its values and millimetres"
        )


def medroi_config(array: Any) -> dict[str, Any] | None:
    """Configuration of the MedROI codec of an array, for the scan's axes; None without one."""
    if isinstance(array, Hdf5Array):
        return array.config
    codec = medroi_codec(array)
    if codec is None:
        return None
    if hasattr(codec, "get_config"):
        config = dict(codec.get_config())
    else:
        config = dict(codec.to_dict()["configuration"])
    is_turned = isinstance(array, ScanArray) and array.axes_reversed
    return turned_config(config, array.ndim) if is_turned else config


def medroi_codec(array: Any) -> Any:
    """The MedROI codec of a Zarr array, wherever it stands; None without one."""
    from medroi import MedROI
    from medroi.zarr import MedROICodec

    stored = array.stored if isinstance(array, ScanArray) else array
    codecs = [*stored.compressors]
    if stored.metadata.zarr_format == 3:
        codecs += [stored.serializer, *getattr(stored.serializer, "codecs", ())]
    for codec in codecs:
        if isinstance(codec, MedROI | MedROICodec):
            return codec
    return None
