"""Types of a voxel in files: one number, or the numbers of a colour or a complex value.

The codecs take one number per voxel. The numbers of a colour (``uint8``) or the two of a complex
value (``float32`` or ``float64``) become a last axis of the scan, exactly; the file has them beside
each other, as `Scan.details` says with ``components`` and ``file_axes``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.scans.scan import AXIS_NAMES, checked_dtype
from medroi.scans.sources.pieces import to_scan_order
from medroi.working_memory import WorkingMemory

_COLOURS = {3: ["red", "green", "blue"], 4: ["red", "green", "blue", "alpha"]}
_COMPLEX = ["real", "imaginary"]


@dataclass(frozen=True)
class Elements:
    """Type of the voxels of a file.

    Attributes
    ----------
    dtype : numpy.dtype
        Of each number, in the byte order of the file.
    components : list of str
        Names of the numbers of one voxel; empty where it is one.
    meaning : str
        For `Scan.meaning`.
    """

    dtype: np.dtype[Any]
    components: list[str]
    meaning: str = ""


def elements_of(dtype: np.dtype[Any], path: Path, name: str = "") -> Elements:
    """Say what numbers a voxel of a NumPy type has; `name` is the file's own for the type.

    Raises
    ------
    InvalidArgument
        For types that no store holds, such as floats of 128 bits.
    """
    if dtype.names:
        kinds = {dtype[field] for field in dtype.names}
        if kinds == {np.dtype(np.uint8)} and len(dtype.names) in _COLOURS:
            return Elements(np.dtype(np.uint8), _COLOURS[len(dtype.names)], "colour")
    if dtype.kind == "c" and dtype.itemsize <= 16:
        of_part = np.dtype(f"f{dtype.itemsize // 2}").newbyteorder(dtype.byteorder)
        return Elements(of_part, list(_COMPLEX), "complex")
    return Elements(checked_dtype(dtype, path, name), [])


def vectors(dtype: np.dtype[Any], n_components: int, *, colour: bool, path: Path) -> Elements:
    """Say what numbers a voxel has that a file gives several of.

    Parameters
    ----------
    dtype : numpy.dtype
        Of each.
    n_components : int
        How many.
    colour : bool
        Whether the file says that they are a colour.
    path : Path
        What errors name.
    """
    checked = checked_dtype(dtype, path)
    if n_components == 1:
        return Elements(checked, [])
    if colour and n_components in _COLOURS:
        return Elements(checked, _COLOURS[n_components], "colour")
    return Elements(checked, [f"component {n}" for n in range(n_components)], "vector")


def read_elements(
    read: Callable[[tuple[int, ...]], npt.NDArray[Any]],
    shape: tuple[int, ...],
    elements: Elements,
    memory: WorkingMemory,
) -> tuple[npt.NDArray[Any], dict[str, Any]]:
    """Read voxels, with the numbers of one voxel as the last axis.

    Parameters
    ----------
    read : callable
        Gives an array of a shape in Fortran order, as it lies in the file.
    shape : tuple of int
        Of the scan in the file.
    elements : Elements
        Of the file.
    memory : WorkingMemory
        For the voxels in the order of the scan.

    Returns
    -------
    voxels : ndarray
        In Fortran order.
    details : dict
        For `Scan.details`; empty where a voxel is one number.
    """
    if not elements.components:
        return read(shape), {}
    # The axis of the numbers is none of space.
    shape = shape + (1,) * (3 - len(shape))
    voxels, file_axes = to_scan_order(read((len(elements.components), *shape)), 1, memory)
    return voxels, {
        "components": elements.components,
        "file_axes": file_axes,
        "axis_names": [*AXIS_NAMES[: len(shape)], "c"],
    }


def element_type_of(components: list[str], dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """The NumPy type of a whole voxel; None where NIfTI has none for these components."""
    if components in _COLOURS.values() and dtype == np.uint8:
        letters = ("R", "G", "B", "A")[: len(components)]
        return np.dtype([(letter, np.uint8) for letter in letters])
    if components == _COMPLEX:
        return np.dtype(f"c{2 * dtype.itemsize}")
    return None
