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
import json
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import InnerUnavailable, InvalidArgument, MedROIError
from medroi.scan_region import ScanRegion
from medroi.scans.formats.files import readable
from medroi.scans.scan import Scan, require
from medroi.scans.sources.source import source_of_json
from medroi.scans.stores import hdf5_store
from medroi.scans.stores.hdf5_array import Hdf5Array
from medroi.scans.stores.shards import shard_stream
from medroi.scans.stores.staging import recover

ATTRIBUTE = "medroi"
LAYOUT_VERSION = 2
# Folder of an array in which the air that was kept aside lies.
AIR = "air"

Advance = Callable[[int], None]
Selection = tuple[slice, ...]


@dataclass(frozen=True)
class Layout:
    """Chunk and shard of the array, and the Zarr format that holds it."""

    chunks: tuple[int, ...]
    zarr_format: int = 3


def write_zarr(
    path: Path,
    scan: Scan,
    codec: Any,
    crops: ScanRegion | None,
    layout: Layout,
    advance: Advance,
) -> None:
    """Write a scan as one Zarr array; `advance` hears of every batch of chunks.

    `crops` is the region of which each chunk gets its crop; None where the codec finds its own.
    """
    zarr = zarr_3()
    config = {key: value for key, value in codec.get_config().items() if key != "id"}
    # Numbers that are not finite are text in a configuration, as JSON has no others.
    background = config["background"]
    options: dict[str, Any] = {"zarr_format": layout.zarr_format}
    if layout.zarr_format == 3:
        options["serializer"] = importlib.import_module("medroi.zarr").MedROICodec(**config)
        options["compressors"] = None
        options["dimension_names"] = scan.axis_names
        options["config"] = {"order": "F", "write_empty_chunks": True}
    else:
        options["compressors"] = codec
        options["order"] = "F"
        options["config"] = {"write_empty_chunks": True}
    array = zarr.create_array(
        store=str(path),
        shape=scan.voxels.shape,
        chunks=layout.chunks,
        dtype=scan.voxels.dtype,
        filters=None,
        fill_value=float(background) if isinstance(background, str) else background,
        attributes={ATTRIBUTE: attributes_of(scan)},
        **options,
    )
    target: Any = array
    if crops is not None:
        cropping = importlib.import_module("medroi.zarr.crops")
        target = cropping.CroppedTarget(array, crops)
        cropping.state(array, crops)
    step = layout.chunks[-1]
    for start in range(0, scan.voxels.shape[-1], step):
        slab = (*(slice(n) for n in scan.voxels.shape[:-1]), slice(start, start + step))
        target[slab] = scan.voxels[slab]
        advance(array.nchunks // array.cdata_shape[-1])


# Suffix of the target -> what writes it.
WRITERS = {".zarr": write_zarr}


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
    """Open a Zarr array of any of the formats, or a dataset of an HDF5 file, for reading."""
    place = hdf5_store.split_source(path)
    if place is not None:
        return Hdf5Array(place)
    zarr = zarr_3()
    if not path.exists():
        # A kill may have left it where only its successor was to be.
        recover(Path(os.path.realpath(path)))
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise InvalidArgument(f"{path} {what}; expected a Zarr array or an HDF5 file")
    try:
        opened = zarr.open(str(path), mode="r")
        if isinstance(opened, zarr.Array):
            # A damaged chunk grid, and damaged attributes, are found out only here.
            _ = (opened.chunks, opened.cdata_shape, opened.nchunks, opened.dtype)
            _ = dict(opened.attrs)
            return opened
        with warnings.catch_warnings():
            # Zarr lists what it does not know; that there is no array says the error.
            warnings.simplefilter("ignore")
            names = ", ".join(opened.array_keys())
    except (PermissionError, MemoryError):
        raise
    except MedROIError as error:
        raise type(error)(f"{path}: {error}") from error
    except Exception as error:
        what = str(error) or type(error).__name__
        raise InvalidArgument(f"{path}: not a Zarr array, or a damaged one ({what})") from error
    raise InvalidArgument(f"{path}: a Zarr group; name one of its arrays: {names}")


def is_store(path: Path) -> bool:
    """Tell a Zarr array or group in a folder from other folders."""
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def may_replace(path: Path) -> bool:
    """Whether a folder is one Zarr array with nothing else in it.

    Raises
    ------
    InvalidArgument
        Where it is a group, or holds files that belong to no array.
    """
    if (path / "zarr.json").is_file():
        own, is_array = {"zarr.json"}, _node_type(path / "zarr.json") == "array"
    else:
        own, is_array = {".zarray", ".zattrs"}, (path / ".zarray").is_file()
    if not is_array:
        return False
    for folder, names, files in os.walk(path):
        inside = Path(folder).relative_to(path)
        # Chunks are numbers: 0.0.0, 0/0/0 or c/0/0/0.
        others = [
            str(inside / name)
            for name in (*names, *files)
            if not (name.replace(".", "").isdecimal() or name == "c")
            and not _is_of_air(inside / name)
            and not (folder == str(path) and name in own)
        ]
        if others:
            raise InvalidArgument(
                f"{path} holds {others[0]}, which is no part of its array; nothing is replaced. "
                "Remove it yourself"
            )
    return True


def _is_of_air(place: Path) -> bool:
    """Whether a file or folder below an array is, or belongs to, the air kept beside it."""
    own = (AIR, "zarr.json", ".zarray", ".zattrs", "c")
    return place.parts[0] == AIR and (place.name in own or place.name.replace(".", "").isdecimal())


def _node_type(path: Path) -> object:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return found.get("node_type") if isinstance(found, dict) else None


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


def chunk_stream(path: Path, array: Any, position: tuple[int, ...]) -> bytes | None:
    """Read the bytes of one chunk's stream; None where there are none.

    Others leave chunks out that hold nothing but the fill value. `pack` does not.
    """
    if isinstance(array, Hdf5Array):
        return array.stream(position)
    if getattr(array, "shards", None) is not None:
        return shard_stream(path, array, position)
    key: str = array.metadata.encode_chunk_key(position)
    try:
        return Path(path, key).read_bytes()
    except FileNotFoundError:
        return None


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
        if kind not in ("nifti", "mgz", "dicom") or byte_order not in ("<", ">"):
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


def medroi_config(array: Any) -> dict[str, Any] | None:
    """Configuration of the MedROI codec of an array, wherever it stands; None without one."""
    if isinstance(array, Hdf5Array):
        return {"affine": None} if array.is_medroi else None
    from medroi import MedROI
    from medroi.zarr import MedROICodec

    codecs = [*array.compressors]
    if array.metadata.zarr_format == 3:
        codecs += [array.serializer, *getattr(array.serializer, "codecs", ())]
    for codec in codecs:
        if isinstance(codec, MedROI):
            return dict(codec.get_config())
        if isinstance(codec, MedROICodec):
            return dict(codec.to_dict()["configuration"])
    return None
