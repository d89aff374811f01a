"""What regions cost against a memcpy of the same buffer, beside the targets. CSV to stdout.

    python benchmarks/region.py > benchmarks/region.csv

Copy and call take turns; the ratio is the median over the rounds. The clock is the CPU time of the
calling thread, which other programs on the machine disturb less than the time on the wall; a call
with two threads is timed on the wall against the same call with one ("wall" in the column clock).
Small arrays are copied and searched several times a round, and stay in the cache.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import MedROI
from medroi.roi import find_background, find_region

Array = npt.NDArray[Any]
Call = Callable[[], Any]
Row = tuple[int, str, str, str, str, float, float | str]

NBYTES_PER_ROUND = 1 << 22
DETECT_TARGETS = {64: 4.8, 128: 3.6, 256: 1.2}
COLUMNS = ("edge", "dtype", "call", "reference", "clock", "ratio", "target")


def phantom(edge: int, dtype: str, speck: bool) -> Array:
    """A noisy head: an ellipsoid of tissue in Rician air; `speck` adds one bright corner voxel."""
    rng = np.random.default_rng(1)
    grid = np.linspace(-1, 1, edge, dtype="f4")
    radius = grid[:, None, None] ** 2 + grid[:, None] ** 2 + grid**2
    noise = np.abs(rng.standard_normal((edge,) * 3, dtype="f4"))
    head = np.where(radius < 0.6, 60 + 15 * noise, 2 * noise).astype(dtype)
    if speck:
        head[0, 0, 0] = 100
    return head


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
    alone = partial(find_region, array, threads=1)
    together = partial(find_region, array, threads=2)
    found = ratio(together, alone, repeats, rounds, time.perf_counter_ns)
    target = 0.75 if edge == 256 and dtype == "int16" else 0.0
    row = (edge, dtype, "detect, two threads", "detect", "wall", round(found, 2), target or "")
    rows.append(row)
    return rows


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
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--dtypes", nargs="+", default=["int16", "uint8", "float32"])
    parser.add_argument("--rounds", type=int, default=11)
    asked = parser.parse_args()
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for edge in asked.edges:
        for dtype in asked.dtypes:
            writer.writerows(measure(edge, dtype, asked.rounds))
            sys.stdout.flush()
        others = [dtype for dtype in asked.dtypes if dtype != "int16"]
        writer.writerows(per_byte(edge, others, asked.rounds))


if __name__ == "__main__":
    main()
