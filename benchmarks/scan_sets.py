"""A folder with one folder of scans per data set, and the arguments of benchmarks that read one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import nibabel
import numpy as np


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


def native_voxels(path: Path) -> np.ndarray[Any, Any]:
    """Voxels of a NIfTI file as stored, in Fortran order and this machine's byte order."""
    image: Any = nibabel.load(path)
    voxels = np.asfortranarray(image.dataobj.get_unscaled())
    return voxels.astype(voxels.dtype.newbyteorder("="))
