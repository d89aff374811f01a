"""What the HDF5 filter costs, against MedROI itself, plain h5py and the filters of hdf5plugin.

Writes CSV to standard output; each argument is a NIfTI file or a folder of them:
python benchmarks/hdf5.py scans/ > benchmarks/hdf5.csv

Rows `cost` hold the filter against the sum of its parts: `MedROI.encode` (decode) of the same
chunks and an unfiltered dataset of h5py. Rows `threads` hold medroi.hdf5.write (read) with two
threads against the serial filter. Rows `peer` hold other filters, one thread each, zstd at level 5
where it can be chosen. `write` and `read` are seconds, the median of rounds in which every method
took its turn; `write_ratio` and `read_ratio` are of the same round's reference, their median.
Files are written to a memory filesystem where there is one.
"""

from __future__ import annotations

import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np

import medroi
import medroi.hdf5

ROUNDS = 5
CHUNK = 64
LEVEL = 5
PEER_INNER = {"id": "zstd", "level": LEVEL}

Times = tuple[float, float]
Method = Callable[[np.ndarray, Path], tuple[float, float, int]]


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def chunk_shape(volume: np.ndarray) -> tuple[int, ...]:
    return tuple(min(size, CHUNK) for size in volume.shape)


def chunks_of(volume: np.ndarray) -> Iterator[np.ndarray]:
    """Every chunk as the filter sees it, padded with 0."""
    chunk = chunk_shape(volume)
    grid = [range(0, size, step) for size, step in zip(volume.shape, chunk, strict=True)]
    for offset in product(*grid):
        inside = (slice(at, at + size) for at, size in zip(offset, chunk, strict=True))
        part = volume[tuple(inside)]
        whole = np.zeros(chunk, volume.dtype)
        whole[tuple(slice(size) for size in part.shape)] = part
        yield whole


def codec_alone(config: dict[str, Any]) -> Method:
    """`MedROI` on all chunks, one after another, without a file."""

    def run(volume: np.ndarray, _: Path) -> tuple[float, float, int]:
        codec, wholes = medroi.MedROI.from_config(config), list(chunks_of(volume))
        streams: list[bytes] = []
        write = seconds(lambda: streams.extend(codec.encode(whole) for whole in wholes))
        read = seconds(lambda: [codec.decode(stream) for stream in streams])
        return write, read, sum(map(len, streams))

    return run


def dataset(options: dict[str, Any], threads: int = 0) -> Method:
    """One dataset of h5py, written and read whole; `threads` goes through medroi.hdf5."""

    def run(volume: np.ndarray, path: Path) -> tuple[float, float, int]:
        def write() -> None:
            with h5py.File(path, "w") as file:
                made = file.create_dataset(
                    "scan",
                    shape=volume.shape,
                    dtype=volume.dtype,
                    chunks=chunk_shape(volume),
                    **options,
                )
                if threads:
                    medroi.hdf5.write(made, volume, threads=threads)
                else:
                    made[...] = volume

        def read() -> None:
            with h5py.File(path) as file:
                if threads:
                    medroi.hdf5.read(file["scan"], threads=threads)
                else:
                    file["scan"][...]

        times = seconds(write), seconds(read)
        with h5py.File(path) as file:
            return *times, file["scan"].id.get_storage_size()

    return run


def peers() -> dict[str, Method]:
    """The other filters, with their byte or bit shuffle."""
    import hdf5plugin

    blosc2 = hdf5plugin.Blosc2(cname="zstd", clevel=LEVEL, filters=hdf5plugin.Blosc2.BITSHUFFLE)
    return {
        "Blosc2 zstd": dataset(dict(blosc2)),
        "Zstd": dataset({"shuffle": True, **hdf5plugin.Zstd(clevel=LEVEL)}),
        "gzip": dataset({"shuffle": True, "compression": "gzip", "compression_opts": 6}),
    }


def measure(volume: np.ndarray, made: dict[str, Method], path: Path) -> dict[str, list[Any]]:
    """(write, read, nbytes) of every round by method."""
    found: dict[str, list[Any]] = {name: [] for name in made}
    for _ in range(ROUNDS):
        for name, run in made.items():
            found[name].append(run(volume, path))
    return found


def inner_codecs() -> dict[str, Any]:
    """The inner codecs held against themselves in threads: jpeg2000 where this build has it."""
    made: dict[str, Any] = {"zstd": "zstd"}
    try:
        medroi.hdf5.MedROIFilter("jpeg2000")
        made["jpeg2000"] = "jpeg2000"
    except medroi.errors.MedROIError:
        pass
    return made


def rows_of(volume: np.ndarray, path: Path) -> Iterator[tuple[Any, ...]]:
    for label, inner in inner_codecs().items():
        options = medroi.hdf5.MedROIFilter.fit(volume, chunks=chunk_shape(volume), inner=inner)
        found = measure(
            volume,
            {
                "codec": codec_alone(options.get_config()),
                "plain": dataset({}),
                "filter": dataset(dict(options)),
                "threads": dataset(dict(options), threads=2),
            },
            path,
        )
        parts = [
            (a[0] + b[0], a[1] + b[1]) for a, b in zip(found["codec"], found["plain"], strict=True)
        ]
        yield "cost", label, *summary(found["filter"], parts)
        serial = [(write, read) for write, read, _ in found["filter"]]
        yield "threads", label, *summary(found["threads"], serial)
    options = medroi.hdf5.MedROIFilter.fit(volume, chunks=chunk_shape(volume), inner=PEER_INNER)
    found = measure(volume, {"MedROI zstd": dataset(dict(options)), **peers()}, path)
    reference = [(write, read) for write, read, _ in found["Blosc2 zstd"]]
    for name, rounds in found.items():
        yield "peer", name, *summary(rounds, reference)


def summary(rounds: list[Any], reference: list[Times]) -> tuple[Any, ...]:
    """nbytes, median seconds, and median ratio to the reference of the same round."""
    write, read, nbytes = zip(*rounds, strict=True)
    ratios = [
        statistics.median(
            mine[at] / other[at] for mine, other in zip(rounds, reference, strict=True)
        )
        for at in (0, 1)
    ]
    medians = statistics.median(write), statistics.median(read)
    return (nbytes[0], *(f"{value:.4f}" for value in (*medians, *ratios)))


def main(arguments: list[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(
        (
            *("scan", "dtype", "nbytes", "row", "method", "stored_nbytes"),
            *("write_s", "read_s", "write_ratio", "read_ratio"),
        )
    )
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        for argument in map(Path, arguments):
            scans = sorted(argument.glob("*.nii*")) if argument.is_dir() else [argument]
            for scan in scans:
                image = nibabel.load(scan)
                # The stored values, in the C order of HDF5.
                volume = np.ascontiguousarray(np.asanyarray(image.dataobj.get_unscaled()))
                for row in rows_of(volume, Path(folder, "scan.h5")):
                    writer.writerow((scan.name, volume.dtype.str, volume.nbytes, *row))
                    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
