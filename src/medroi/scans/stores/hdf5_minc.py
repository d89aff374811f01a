"""MINC 2 around the voxels of a packed scan: what its readers look for in an HDF5 file.

The image of a MINC 2 file is the dataset ``minc-2.0/image/0/image``. Its attribute ``dimorder``
names the axes, the outermost first: those of a scan in reverse order. Each name has a dataset below
``minc-2.0/dimensions``, whose attributes say where the axis begins and how far a step goes, along
``direction_cosines``: a voxel lies at the sum over the axes of ``cosines * (start + i * step)``.
Integers are codes: the ends of ``valid_range`` stand for the values of ``image-min`` and
``image-max``, which are one number, or one for each slice; floats are the values themselves.

Reference: MINC 2.0 File Format Reference, https://en.wikibooks.org/wiki/MINC/Reference.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.errors import CorruptStream, InvalidArgument
from medroi.scans.formats.minc import IMAGE, SUFFIXES
from medroi.scans.formats.orientation import nearest_directions
from medroi.scans.scaling import MODALITY_LUT, scaling_of
from medroi.scans.scan import VALID_RANGE, Scan
from medroi.scans.stores.group.ome import time_step_s

# Of the image; an array that has it has the axes of a scan in reverse order.
AXES = "dimorder"
_DIMENSIONS = "minc-2.0/dimensions"
_RANGES = ("image-min", "image-max")
_OF_DIRECTIONS = {"LR": 0, "RL": 0, "PA": 1, "AP": 1, "IS": 2, "SI": 2}
_SPACE = ("xspace", "yspace", "zspace")
_AXIS_NAMES = (("x", "y", "z"), ("x", "y", "z", "t"))
_VERSION = b"2.1.10"


def check_possible(scan: Scan, path: Path) -> None:
    """Refuse a scan that MINC 2 has no place for.

    Raises
    ------
    InvalidArgument
    """
    dtype, why = scan.voxels.dtype, ""
    if scan.axis_names not in _AXIS_NAMES:
        why = f"the axes {', '.join(scan.axis_names)}; expected x, y, z or x, y, z, t"
    elif not (dtype.kind in "iu" and dtype.itemsize <= 4) and dtype.name not in (
        "float32",
        "float64",
    ):
        why = f"voxels of type {dtype}; expected integers of 8 to 32 bits or floats of 32 or 64"
    elif dtype.kind == "f" and (scan.slope, scan.intercept) != (1.0, 0.0):
        why = "floats with a slope, which MINC has for integers alone"
    elif MODALITY_LUT in scan.details:
        why = "values by a table"
    elif nearest_directions(scan.affine) is None or not np.linalg.det(scan.affine[:3, :3]):
        why = "an affine that leaves out a direction of space"
    if why:
        raise InvalidArgument(
            f"{path}: MINC 2 has no place for this scan: {why}. Name the target FILE.h5/NAME or "
            "NAME.ome.zarr"
        )


def write_around(file: Any, scan: Scan) -> None:
    """Write all that belongs to an image, which is there.

    Parameters
    ----------
    file : h5py.File
    scan : Scan
        That `check_possible` lets pass.
    """
    image = file[IMAGE]
    file["minc-2.0"].attrs["minc_version"] = np.bytes_(_VERSION)
    file["minc-2.0"].create_group("info")
    names = _write_dimensions(file.create_group(_DIMENSIONS), scan)
    image.attrs[AXES] = np.bytes_(",".join(names))
    _describe(image, b"group________")
    dtype = scan.voxels.dtype
    if dtype.kind == "f":
        span = _span_of(scan.voxels)
        image.attrs["valid_range"] = np.asarray(span)
        values = [np.asarray(value) for value in span]
    else:
        span = scan.details.get(VALID_RANGE, (np.iinfo(dtype).min, np.iinfo(dtype).max))
        image.attrs["valid_range"] = np.asarray(span, np.float64)
        image.attrs["signtype"] = np.bytes_(b"signed__" if dtype.kind == "i" else b"unsigned")
        scaling = scaling_of(
            {"slope": scan.slope, "intercept": scan.intercept, "details": scan.details},
            scan.voxels.shape,
            "the scan",
        )
        # The axes from z on, of the scan; those of the file are in reverse order.
        values = [(scaling.slope * end + scaling.intercept).T for end in span]
    for name, value in zip(_RANGES, values, strict=True):
        made = image.parent.create_dataset(name, data=np.asarray(value, np.float64))
        if value.ndim:
            made.attrs[AXES] = np.bytes_(",".join(names[: value.ndim]))
        _describe(made, b"var_attribute")


def _span_of(voxels: npt.NDArray[Any]) -> tuple[float, float]:
    """The lowest and the highest of the finite values; 0 and 0 where there are none."""
    low, high = np.inf, -np.inf
    # Slice by slice: the voxels may be a map of a file larger than the memory.
    for place in np.ndindex(voxels.shape[2:]):
        plane = voxels[(..., *place)]
        finite = plane[np.isfinite(plane)]
        low = min(low, float(finite.min(initial=np.inf)))
        high = max(high, float(finite.max(initial=-np.inf)))
    return (low, high) if low <= high else (0.0, 0.0)


def _write_dimensions(group: Any, scan: Scan) -> list[str]:
    """Write the axes, and return their names, the outermost first."""
    worlds = [_OF_DIRECTIONS[letters] for letters in nearest_directions(scan.affine) or ()]
    columns = scan.affine[:3, :3]
    # Cosines point along their axis of space, so that their determinant is positive.
    signs = np.sign([columns[world, axis] for axis, world in enumerate(worlds)])
    steps = signs * np.linalg.norm(columns, axis=0)
    starts = np.linalg.solve(columns / steps, scan.affine[:3, 3])
    names = [_SPACE[world] for world in worlds]
    for axis, name in enumerate(names):
        made = _dimension(group, name, scan.voxels.shape[axis], starts[axis], steps[axis])
        made.attrs["direction_cosines"] = columns[:, axis] / steps[axis]
        made.attrs["units"] = np.bytes_(b"mm")
        made.attrs["spacetype"] = np.bytes_(b"native____")
        made.attrs["alignment"] = np.bytes_(b"centre")
    if scan.voxels.ndim > 3:
        names.append("time")
        made = _dimension(group, "time", scan.voxels.shape[3], 0.0, time_step_s(scan) or 1.0)
        made.attrs["units"] = np.bytes_(b"s")
        made.attrs["alignment"] = np.bytes_(b"start_")
    return names[::-1]


def _dimension(group: Any, name: str, length: int, start: float, step: float) -> Any:
    made = group.create_dataset(name, data=np.int32(0))
    _describe(made, b"dimension____")
    made.attrs["length"] = np.uint32(length)
    made.attrs["start"] = np.float64(start)
    made.attrs["step"] = np.float64(step)
    made.attrs["spacing"] = np.bytes_(b"regular__")
    return made


def _describe(made: Any, what: bytes) -> None:
    made.attrs["varid"] = np.bytes_(b"MINC standard variable")
    made.attrs["vartype"] = np.bytes_(what)
    made.attrs["version"] = np.bytes_(b"MINC Version    2.0")


def facts_around(image: Any) -> dict[str, Any]:
    """All that is written around an image, as JSON values.

    Raises
    ------
    CorruptStream
        For more numbers than there are slices.
    """
    found = {name: image.parent[name] for name in _RANGES}
    axes = bytes(image.attrs[AXES]).decode("ascii").split(",")
    found |= {name: image.file[_DIMENSIONS][name] for name in axes}
    facts: dict[str, Any] = {"image": _attributes(image, (AXES, "valid_range", "signtype"))}
    n_slices = math.prod(image.shape[:-2])
    for name, item in found.items():
        if item.size > n_slices:
            raise CorruptStream(
                f"{image.file.filename}: {item.name} has the shape {item.shape}; expected one "
                f"number, or one for each of {n_slices} slices"
            )
        facts[name] = [np.asarray(item[()]).tolist(), _attributes(item, tuple(item.attrs))]
    return facts


def _attributes(item: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(item.attrs[name]) for name in sorted(names) if name in item.attrs}


def _plain(value: Any) -> Any:
    found = np.asarray(value).tolist()
    return found.decode("latin-1") if isinstance(found, bytes) else found


__all__ = ["AXES", "IMAGE", "SUFFIXES", "check_possible", "facts_around", "write_around"]
