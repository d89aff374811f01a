"""What Zarr write and read cost with MedROI, against Zarr's own zstd on the same array.

Writes CSV to standard output; each argument is a NIfTI file, without any a phantom is used:
python benchmarks/zarr_faces.py scans/*_T1w.nii.gz > benchmarks/zarr_faces.csv

Times are ratios, medians over rounds in which every method took its turn; sizes are all bytes of
the store's chunks. `level` is zstd's; Zarr's default is 0, which zstd takes for its own default, 3.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable
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

ROUNDS = 7
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


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(
    volume: np.ndarray, chunks: tuple[int, ...], made: dict[str, dict[str, Any]], background: int
) -> dict[str, tuple[float, float, int]]:
    """Median write and read seconds and stored bytes of each method."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    nbytes = {}
    out = np.empty_like(volume)
    order = "F" if volume.flags.f_contiguous else "C"
    for _ in range(ROUNDS):
        for name, options in made.items():
            store, old = MemoryStore(), options.get("zarr_format") == 2
            array = zarr.create_array(
                store,
                shape=volume.shape,
                dtype=volume.dtype,
                chunks=chunks,
                fill_value=background,
                **({"order": order} if old else {"config": {"order": order}}),
                **options,
            )
            wrote = seconds(lambda array=array: array.__setitem__(..., volume))
            read = seconds(lambda array=array: out.__setitem__(..., array[...]))
            times[name].append((wrote, read))
            nbytes[name] = array.nbytes_stored()
    return {
        name: (
            statistics.median(wrote for wrote, _ in taken),
            statistics.median(read for _, read in taken),
            nbytes[name],
        )
        for name, taken in times.items()
    }


def rows(label: str, volume: np.ndarray, background: int) -> list[list[object]]:
    found: list[list[object]] = []
    for chunks in (volume.shape, tuple(min(CHUNK, size) for size in volume.shape)):
        for zarr_format in (3, 2):
            made = methods(zarr_format, background)
            measured = measure(volume, chunks, made, background)
            base = next(iter(measured.values()))
            for name, (wrote, read, stored) in measured.items():
                ratios = round(wrote / base[0], 2), round(read / base[1], 2)
                place = [label, "x".join(map(str, chunks)), zarr_format, name]
                found.append([*place, *ratios, round(volume.nbytes / stored, 3)])
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
        ["volume", "chunks", "format", "method", "write / zstd", "read / zstd", "compression ratio"]
    )
    for label, volume in volumes(sys.argv[1:]).items():
        background = -1024 if volume.min() <= -1000 else 0
        writer.writerows(rows(label, volume, background))


if __name__ == "__main__":
    main()
