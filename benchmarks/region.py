"""What regions cost against a memcpy of the same buffer, beside the targets. CSV to stdout.

    python benchmarks/region.py > benchmarks/region.csv
    python benchmarks/region.py --head T1w.nii.gz

Copy and call take turns; the ratio is the median over the rounds. The clock is the CPU time of the
calling thread, which other programs on the machine disturb less than the time on the wall; calls
with two threads are timed on the wall ("wall" in the column clock). Small arrays are copied and
searched several times a round, and stay in the cache. What is made anew in every call, as a stream
is, lies in memory that the system has to clear first: such calls are also compared with a copy
into a new array. Edge 512 is far larger than any cache; rows of 216 are, as those
of most scans, no whole number of words of bits. The mask is sought in a synthetic noisy
head and, with --head, in scans of your own, as they are and repeated along the first axis to the
size of 256^3 voxels of int16, at which the targets are set; `decode raw` is the restore, its CRC
check included. What two threads can gain shows in work that stays in the cache and by reading.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import MedROI
from medroi.roi import find_background, find_region

Array = npt.NDArray[Any]
Call = Callable[[], Any]
Row = tuple[int | str, str, str, str, str, float, float | str]

NBYTES_PER_ROUND = 1 << 22
TARGET_NBYTES = 2 * 256**3
DETECT_TARGETS = {64: 4.8, 128: 3.6, 256: 1.2}
MASK_TARGET = 6.0
TWO_THREADS_TARGET = 0.75
COLUMNS = ("edge", "dtype", "call", "reference", "clock", "ratio", "target")


def phantom(edge: int, dtype: str, speck: bool) -> Array:
    """A noisy head: an ellipsoid of tissue in Rician air; `speck` adds one bright corner voxel."""
    rng = np.random.default_rng(1)
    grid = np.linspace(-1, 1, edge, dtype="f4")
    head = np.empty((edge,) * 3, dtype)
    for plane, place in zip(head, grid, strict=True):
        radius = place**2 + grid[:, None] ** 2 + grid**2
        noise = np.abs(rng.standard_normal((edge, edge), dtype="f4"))
        plane[:] = np.where(radius < 0.6, 60 + 15 * noise, 2 * noise)
    if speck:
        head[0, 0, 0] = 100
    return head


def noisy_head(edge: int) -> Array:
    """A head on its neck in Rician noise: scalp, dark skull, brain, ventricles; int16."""
    rng = np.random.default_rng(2)
    z, y, x = np.ix_(*(np.linspace(-1, 1, edge, dtype="f4"),) * 3)

    def ellipsoid(rz: float, ry: float, rx: float) -> npt.NDArray[np.bool_]:
        return (z / rz) ** 2 + (y / ry) ** 2 + (x / rx) ** 2 < 1

    signal = np.zeros((edge,) * 3, "f4")
    signal[ellipsoid(0.8, 0.85, 0.65)] = 260
    signal[(z > 0.3) & ((y - 0.1) ** 2 + x**2 < 0.16)] = 180
    signal[ellipsoid(0.74, 0.79, 0.59)] = 30
    signal[ellipsoid(0.70, 0.75, 0.55)] = 200
    signal[ellipsoid(0.2, 0.3, 0.12)] = 60
    for part in signal:
        real, imaginary = rng.normal(0, 9, (2, edge, edge)).astype("f4")
        part[:] = np.hypot(part + real, imaginary)
    return signal.astype("int16")


def ratio(run: Call, reference: Call, repeats: int, rounds: int, clock: Callable[[], int]) -> float:
    """Median over rounds of the time of `run` over the time of `reference`, taken in turn."""
    found = []
    reference()
    run()
    for _ in range(rounds):
        start = clock()
        for _ in range(repeats):
            reference()
        middle = clock()
        for _ in range(repeats):
            run()
        found.append((clock() - middle) / (middle - start))
    return statistics.median(found)


def speed(copy: Call, nbytes: int) -> float:
    """GB/s of the fastest of some copies: how quiet the machine is, and how near the memory."""
    best = float("inf")
    for _ in range(50):
        start = time.thread_time_ns()
        copy()
        best = min(best, time.thread_time_ns() - start)
    return round(nbytes / best, 1)


def detections(array: Array, specked: Array) -> dict[str, Call]:
    """Every search of one array. In the specked one, all tissue has to be counted."""
    swapped = array.astype(array.dtype.newbyteorder())
    return {
        "detect": partial(find_region, array),
        "detect, missed counted": partial(find_region, specked),
        "detect, grown": partial(find_region, specked, max_miss_rate=0.0),
        "detect, dark": partial(find_region, array, polarity="dark"),
        "detect, other byte order": partial(find_region, swapped),
        "detect, number": partial(find_region, array, threshold=20),
        "detect, otsu": partial(find_region, array, threshold="otsu"),
        "detect, lossless": partial(find_region, array, threshold=None),
        "background": partial(find_background, array),
    }


def detect_and_crop(array: Array) -> Array:
    """The voxels of the region, dense."""
    box = find_region(array).box
    return array[tuple(slice(start, stop) for start, stop in box)].copy()


def against_new_copy(
    name: int | str, array: Array, calls: dict[str, Call], rounds: int
) -> list[Row]:
    """Calls whose result is new memory, against a copy into a new array."""
    repeats = max(1, NBYTES_PER_ROUND // array.nbytes)
    dtype = array.dtype.name
    rows: list[Row] = []
    for call, run in calls.items():
        found = ratio(run, partial(np.copy, array), repeats, rounds, time.thread_time_ns)
        rows.append((name, dtype, call, "copy into new memory", "cpu", round(found, 2), ""))
    return rows


def measure(edge: int, dtype: str, rounds: int) -> list[Row]:
    """All rows of one array."""
    array, specked = phantom(edge, dtype, False), phantom(edge, dtype, True)
    copy = np.empty_like(array)
    memcpy = partial(np.copyto, copy, array)
    codec = MedROI("raw")
    stream = codec.encode(array)
    calls = detections(array, specked)
    targets: dict[str, float] = {"detect": DETECT_TARGETS.get(edge, 0.0)}
    calls["detect and crop"] = partial(detect_and_crop, array)
    calls["encode raw"] = partial(codec.encode, array)
    calls["encode raw, missed counted"] = partial(codec.encode, specked)
    calls["decode raw, warm pages"] = partial(codec.decode, stream, np.zeros_like(array))
    if edge == 256:
        targets["detect and crop"] = 1.8
        targets["encode raw"] = targets["encode raw, missed counted"] = 2.8
        targets["decode raw, warm pages"] = 1.2
    repeats = max(1, NBYTES_PER_ROUND // array.nbytes)
    rows: list[Row] = [(edge, dtype, "memcpy, GB/s", "", "cpu", speed(memcpy, array.nbytes), "")]
    for name, call in calls.items():
        found = ratio(call, memcpy, repeats, rounds, time.thread_time_ns)
        target = targets.get(name, 0.0) if dtype == "int16" else 0.0
        rows.append((edge, dtype, name, "memcpy", "cpu", round(found, 2), target or ""))
    rows += against_new_copy(
        edge, array, {name: calls[name] for name in ("detect and crop", "encode raw")}, rounds
    )
    return rows + two_threads(edge, array, memcpy, repeats, rounds)


def read_in(pool: ThreadPoolExecutor, halves: list[Array]) -> None:
    """Load every byte, a half in each thread."""
    list(pool.map(np.max, halves))


def compute(values: Array) -> None:
    """Work that needs no memory: square roots of few values, again and again."""
    roots = np.empty_like(values)
    for _ in range(200):
        np.sqrt(values, out=roots)


def compute_in(pool: ThreadPoolExecutor, halves: list[Array]) -> None:
    """The same, a half in each thread."""
    list(pool.map(compute, halves))


def two_threads(edge: int, array: Array, memcpy: Call, repeats: int, rounds: int) -> list[Row]:
    """A search with two threads, beside what one and two threads need to read the memory."""
    dtype = array.dtype.name
    words = array.ravel().view("u8")
    halves = [words[: words.size // 2], words[words.size // 2 :]]
    values = np.linspace(0, 1, 1 << 16, dtype="f4")
    parts = [values[: values.size // 2].copy(), values[values.size // 2 :].copy()]
    alone = partial(find_region, array, threads=1)
    together = partial(find_region, array, threads=2)
    target = TWO_THREADS_TARGET if edge == 256 and dtype == "int16" else ""
    with ThreadPoolExecutor(2) as pool:
        pairs: list[tuple[str, Call, str, Call, float | str]] = [
            ("detect, two threads", together, "memcpy", memcpy, target),
            ("detect, two threads", together, "detect", alone, ""),
            (
                "computing, two threads",
                partial(compute_in, pool, parts),
                "computing",
                partial(compute, values),
                "",
            ),
            ("reading, one thread", partial(np.max, words), "memcpy", memcpy, ""),
            ("reading, two threads", partial(read_in, pool, halves), "memcpy", memcpy, ""),
        ]
        return [
            (edge, dtype, name, against, "wall", round(found, 2), limit)
            for name, call, against, reference, limit in pairs
            for found in [ratio(call, reference, repeats, rounds, time.perf_counter_ns)]
        ]


def mask_rows(name: int | str, head: Array, rounds: int) -> list[Row]:
    """The mask of one head: its search, and everything that encoding with it takes."""
    copy = np.empty_like(head)
    memcpy = partial(np.copyto, copy, head)
    codec = MedROI("raw", roi="mask")
    stream = codec.encode(head)
    repeats = max(1, NBYTES_PER_ROUND // head.nbytes)
    target = MASK_TARGET if head.nbytes >= TARGET_NBYTES else ""
    calls: list[tuple[str, Call, float | str]] = [
        ("mask, search", partial(find_region, head, roi="mask"), target),
        ("mask, encode raw", partial(codec.encode, head), target),
        ("mask, decode raw, warm pages", partial(codec.decode, stream, np.zeros_like(head)), ""),
    ]
    rows: list[Row] = []
    for call_name, call, limit in calls:
        found = ratio(call, memcpy, repeats, rounds, time.thread_time_ns)
        rows.append((name, head.dtype.name, call_name, "memcpy", "cpu", round(found, 2), limit))
    encode: dict[str, Call] = {"mask, encode raw": partial(codec.encode, head)}
    return rows + against_new_copy(name, head, encode, rounds)


def load_head(path: Path) -> Array:
    """The stored voxels of a NIfTI file."""
    import nibabel

    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj.get_unscaled(), order="C")


def per_byte(edge: int, dtypes: list[str], rounds: int) -> list[Row]:
    """Time of a search per byte against that of int16."""
    short = phantom(edge, "int16", False)
    rows: list[Row] = []
    for dtype in dtypes:
        array = phantom(edge, dtype, False)
        repeats = max(1, NBYTES_PER_ROUND // array.nbytes)
        found = ratio(
            partial(find_region, array),
            partial(find_region, short),
            repeats,
            rounds,
            time.thread_time_ns,
        )
        scaled = round(found * short.nbytes / array.nbytes, 2)
        rows.append((edge, dtype, "detect, per byte", "detect of int16", "cpu", scaled, 1.0))
    return rows


def main() -> None:
    """Print one line per array and call."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128, 216, 256, 512])
    parser.add_argument("--dtypes", nargs="+", default=["int16", "uint8", "float32"])
    parser.add_argument("--head", type=Path, nargs="*", default=[], help="NIfTI files")
    parser.add_argument("--rounds", type=int, default=11)
    asked = parser.parse_args()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(rows: list[Row]) -> None:
        writer.writerows(rows)
        sys.stdout.flush()

    for edge in asked.edges:
        for dtype in asked.dtypes:
            write(measure(edge, dtype, asked.rounds))
        write(mask_rows(edge, noisy_head(edge), asked.rounds))
        write(per_byte(edge, [d for d in asked.dtypes if d != "int16"], asked.rounds))
    for path in asked.head:
        head = load_head(path)
        write(mask_rows(path.name, head, asked.rounds))
        n_copies = -(-TARGET_NBYTES // head.nbytes)
        if n_copies > 1:
            repeated = np.concatenate([head] * n_copies)
            write(mask_rows(f"{path.name} x {n_copies}", repeated, asked.rounds))


if __name__ == "__main__":
    main()
