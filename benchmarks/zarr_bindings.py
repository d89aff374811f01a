"""What Zarr write and read cost with MedROI, against Zarr's own zstd on the same array.

Writes CSV to standard output; each argument is a NIfTI file, without any a phantom is used:
python benchmarks/zarr_bindings.py scans/*_T1w.nii.gz > benchmarks/zarr_bindings.csv

Times are over those of Zarr's default in the same round, medians over rounds; CPU seconds, so that
other work on the machine counts as little as it can. Sizes are all bytes of the store. Zarr's
default level is 0, which zstd takes for its own default, 3.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from codec import head
from numcodecs import Zstd
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from medroi import MedROI
from medroi.zarr import MedROICodec

ROUNDS = 9
CHUNK = 64


def methods(zarr_format: int, background: int) -> dict[str, dict[str, Any]]:
    """Options of `zarr.create_array` by name; the first is what the others are held against."""
    if zarr_format == 2:
        made = {
            "zarr zstd": Zstd(),
            "zarr zstd level 3": Zstd(level=3),
            "MedROI": MedROI("zstd", background=background),
            "MedROI.lossless": MedROI.lossless("zstd", background=background),
        }
        return {name: {"zarr_format": 2, "compressors": codec} for name, codec in made.items()}
    return {
        "zarr zstd": {"compressors": ZstdCodec()},
        "zarr zstd level 3": {"compressors": ZstdCodec(level=3)},
        "MedROICodec": {
            "serializer": MedROICodec("zstd", background=background),
            "compressors": None,
        },
        "MedROICodec.lossless": {
            "serializer": MedROICodec.lossless("zstd", background=background),
            "compressors": None,
        },
    }


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def create(volume: np.ndarray, chunks: tuple[int, ...], background: int, **options: Any) -> Any:
    """An empty array in memory that keeps the memory order of the volume."""
    order = "F" if volume.flags.f_contiguous else "C"
    in_order = {"order": order} if "zarr_format" in options else {"config": {"order": order}}
    return zarr.create_array(
        MemoryStore(),
        shape=volume.shape,
        dtype=volume.dtype,
        chunks=chunks,
        fill_value=background,
        **in_order,
        **options,
    )


def measure(
    volume: np.ndarray, chunks: tuple[int, ...], made: dict[str, dict[str, Any]], background: int
) -> dict[str, tuple[float, float, int]]:
    """Write and read time over those of the first method, and stored bytes, of each method."""
    ratios: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    nbytes: dict[str, int] = {}
    for _ in range(ROUNDS):
        base: tuple[float, float] | None = None
        for name, options in made.items():
            array = create(volume, chunks, background, **options)
            wrote = cpu_seconds(partial(array.__setitem__, ..., volume))
            read = cpu_seconds(partial(array.__getitem__, ...))
            base = base or (wrote, read)
            ratios[name].append((wrote / base[0], read / base[1]))
            nbytes[name] = array.nbytes_stored()
    return {
        name: (
            statistics.median(wrote for wrote, _ in taken),
            statistics.median(read for _, read in taken),
            nbytes[name],
        )
        for name, taken in ratios.items()
    }


def rows(label: str, volume: np.ndarray, background: int) -> list[list[object]]:
    found: list[list[object]] = []
    for chunks in (volume.shape, tuple(min(CHUNK, size) for size in volume.shape)):
        for zarr_format in (3, 2):
            made = methods(zarr_format, background)
            measured = measure(volume, chunks, made, background)
            for name, (wrote, read, stored) in measured.items():
                place = [label, "x".join(map(str, chunks)), zarr_format, name]
                ratio = volume.nbytes / stored
                found.append([*place, round(wrote, 2), round(read, 2), round(ratio, 3)])
    return found


def volumes(paths: list[str]) -> dict[str, np.ndarray]:
    if not paths:
        return {"phantom": head()}
    import nibabel

    return {
        Path(path).name: np.asarray(nibabel.load(path).dataobj.get_unscaled()) for path in paths
    }


def main() -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        [
            "volume",
            "chunks",
            "format",
            "method",
            "write CPU / zstd",
            "read CPU / zstd",
            "compression ratio",
        ]
    )
    for label, volume in volumes(sys.argv[1:]).items():
        background = -1024 if volume.min() <= -1000 else 0
        writer.writerows(rows(label, volume, background))


if __name__ == "__main__":
    main()
