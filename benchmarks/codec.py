"""What encode and decode cost against a memcpy of the same volume, and what memory they take.

Writes CSV to standard output: python benchmarks/codec.py > benchmarks/codec.csv
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import medroi
from medroi import MedROI

SHAPE = (256, 256, 256)
ROUNDS = 15


def head(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A bright ellipsoid in noisy air, int16."""
    rng = np.random.default_rng(1)
    axes = np.ix_(*(np.linspace(-1.3, 1.3, n) for n in shape))
    inside = sum(axis**2 for axis in axes) < 1
    noise = rng.integers(0, 12, shape, np.int16)
    return (noise + inside * rng.integers(200, 300, shape, np.int16)).astype(np.int16)


def ratio(run: Callable[[], object], reference: Callable[[], object]) -> float:
    """Median over rounds of the time of `run` over the time of `reference`, taken in turn."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        reference()
        middle = time.perf_counter()
        run()
        found.append((time.perf_counter() - middle) / (middle - start))
    return statistics.median(found)


def timing_rows() -> list[list[object]]:
    volume = head()
    copy = np.empty_like(volume)
    rows: list[list[object]] = []

    def memcpy() -> None:
        np.copyto(copy, volume)

    for inner in ("raw", "zstd", "deflate"):
        codec = MedROI(inner)
        stream = codec.encode(volume)
        out = np.empty_like(volume)
        info = medroi.inspect(stream)
        encode_ratio = ratio(partial(codec.encode, volume), memcpy)
        decode_ratio = ratio(partial(codec.decode, stream, out), memcpy)
        rows.append([f"encode {inner} / memcpy", round(encode_ratio, 2)])
        rows.append([f"decode {inner} into warm pages / memcpy", round(decode_ratio, 2)])
        rows.append([f"overhead {inner} (bytes)", info.nbytes - info.payload_nbytes])
    return rows


MEASURE = """
import sys
import numpy as np
import medroi
sys.path.insert(0, "benchmarks")
from codec import head

def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

volume = head()
codec = medroi.MedROI(sys.argv[1])
codec.encode(volume[:8])
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = status("VmRSS")
stream = codec.encode(volume)
info = medroi.inspect(stream)
crop = int(np.prod([stop - start for start, stop in info.box])) * 2
print(status("VmHWM") - before, crop + info.payload_nbytes)
"""


def memory_rows() -> list[list[object]]:
    rows: list[list[object]] = []
    for inner in ("raw", "deflate", "zstd"):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, inner], check=True, capture_output=True, text=True
        )
        extra_nbytes, allowed_nbytes = map(int, done.stdout.split())
        rows.append(
            [
                f"peak extra memory of encode {inner} / (crop + payload)",
                round(extra_nbytes / allowed_nbytes, 2),
            ]
        )
    return rows


def main() -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["measure", "value"])
    writer.writerows(timing_rows() + memory_rows())


if __name__ == "__main__":
    main()
