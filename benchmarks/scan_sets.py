"""A folder with one folder of scans per data set, and the arguments of benchmarks that read one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

LEAST_VALUES = 64  # fewer are labels, of which nothing may be lost
Array = np.ndarray[Any, Any]


def arguments_of(doc: str | None, script: str, per_set: int) -> argparse.ArgumentParser:
    """The folder, how many scans of each set, and the table, which lies beside the script."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-set", type=int, default=per_set)
    table = Path(script).with_suffix(".csv")
    parser.add_argument("-o", "--out", dest="output", type=Path, default=table)
    return parser


def sets_of(folder: Path) -> list[Path]:
    """The folders of the data sets."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def scans_of(
    folder: Path,
    per_set: int,
    pattern: str = "*",
    is_wanted: Callable[[Path], bool] = lambda path: True,
) -> Iterator[Path]:
    """The first scans of each data set that are wanted."""
    for data_set in sets_of(folder):
        yield from islice(filter(is_wanted, sorted(data_set.glob(pattern))), per_set)


def loaded_scans(
    folder: Path, per_set: int, load: Callable[[Path], Array]
) -> Iterator[tuple[Path, Array]]:
    """The first NIfTI files of each data set that are no label maps, and their voxels."""
    for data_set in sets_of(folder):
        found = ((path, load(path)) for path in sorted(data_set.glob("*.nii*")))
        of_values = (pair for pair in found if len(np.unique(pair[1])) >= LEAST_VALUES)
        yield from islice(of_values, per_set)


def native_voxels(path: Path) -> Array:
    """Voxels of a NIfTI file as stored, in Fortran order and this machine's byte order."""
    image: Any = nibabel.load(path)
    voxels = np.asfortranarray(image.dataobj.get_unscaled())
    return voxels.astype(voxels.dtype.newbyteorder("="))
