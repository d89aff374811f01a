"""Time this build beside another one: encode and decode of every native codec, in turn.

    python benchmarks/versus.py OTHER_PYTHON [SCAN...] -o benchmarks/versus.csv

OTHER_PYTHON is the interpreter of an environment that has the other build, such as that of the
commit before. Both builds run in processes that take turns at the same work, so that what else the
machine does meets both alike, and count the processor time of their one thread. A ratio is that of
the least times of a pair of processes, this build's to the other's; where pages lie in memory
differs from process to process, so the table has the median of several pairs.

With a threshold, a ratio holds what the search of the region costs in either build too. Builds that
write other bytes do other work: the least and the most of the ratios, and their median, are printed
of rows without a threshold and with equal bytes as well.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import add_columns, describe

EXAMPLE = Path(__file__).parent.parent / "examples" / "data" / "head_T1w.nii.gz"
ROUNDS = 3
PAIRS = 3

CODECS = [
    *({"id": name} for name in ("raw", "deflate", "zstd", "jpeg2000", "predict3d")),
    {"id": "predict3d", "speed": "fast"},  # By the name that the build before knows, too.
    {"id": "wavelet3d", "step": 8.0},
]
NO_REGION: dict[str, Any] = {"threshold": None}
SETTINGS: list[dict[str, Any]] = [
    {"threshold": "mean"},
    NO_REGION,
    # By the name that the build before knows, too.
    {"threshold": "noise", "roi": "hull"},
]
DTYPES = ("<i2", "<i4", "<f2", "<f4")

WORKER = """
import json, sys, time
import nibabel, numpy as np
from medroi import MedROI
scans = {}
for line in sys.stdin:
    job = json.loads(line)
    key = job["scan"], job["dtype"]
    if key not in scans:
        scans[key] = np.asanyarray(nibabel.load(key[0]).dataobj).astype(key[1])
    codec = MedROI(job["inner"], **job["settings"])
    start = time.thread_time()
    stream = codec.encode(scans[key])
    middle = time.thread_time()
    codec.decode(stream)
    end = time.thread_time()
    print(json.dumps([middle - start, end - middle, len(stream)]), flush=True)
"""


class Worker:
    """One build, in a process of its own."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, job: dict[str, Any]) -> list[float]:
        """Seconds of encode and decode, and bytes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        found: list[float] = json.loads(self._process.stdout.readline())
        return found

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def least_times(builds: tuple[Worker, Worker], job: dict[str, Any]) -> list[list[float]]:
    """Seconds of encode and decode, and bytes, of both builds in one pair of processes."""
    runs = [[build.run(job) for build in builds] for _ in range(ROUNDS)]
    return [[min(run[build][index] for run in runs) for index in range(3)] for build in (0, 1)]


def rows_of(job: dict[str, Any], pairs: list[list[list[float]]]) -> list[dict[str, Any]]:
    """Rows for encode and decode of one job, from the least times of every pair of processes."""
    nbytes = [int(build[2]) for build in pairs[0]]
    rows = []
    for index, what in enumerate(("encode", "decode")):
        ratios = [here[index] / there[index] for here, there in pairs]
        here, there = (min(pair[build][index] for pair in pairs) for build in (0, 1))
        rows.append(
            {
                "scan": Path(job["scan"]).name,
                "dtype": job["dtype"],
                "inner": json.dumps(job["inner"]),
                "settings": json.dumps(job["settings"]),
                "what": what,
                "other_nbytes": nbytes[1],
                "this_nbytes": nbytes[0],
                "other_ms": f"{1000 * there:.2f}",
                "this_ms": f"{1000 * here:.2f}",
                "ratio": f"{statistics.median(ratios):.3f}",
                "least_ratio": f"{min(ratios):.3f}",
                "most_ratio": f"{max(ratios):.3f}",
            }
        )
    return rows


def main() -> int:
    """Print the median and the worst ratio; write all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("other", help="Python of the environment with the other build")
    parser.add_argument("scans", nargs="*", default=[str(EXAMPLE)])
    parser.add_argument("-o", dest="output", type=Path)
    args = parser.parse_args()
    jobs = [
        {"scan": scan, "dtype": dtype, "inner": inner, "settings": settings}
        for scan in args.scans
        for dtype in DTYPES
        for inner in CODECS
        if inner["id"] != "jpeg2000" or dtype == "<i2"
        for settings in SETTINGS
    ]
    found: list[list[list[list[float]]]] = [[] for _ in jobs]
    for _ in range(PAIRS):
        builds = (Worker(sys.executable), Worker(args.other))
        for pairs, job in zip(found, jobs, strict=True):
            pairs.append(least_times(builds, job))
        for build in builds:
            build.end()
    rows = [row for job, pairs in zip(jobs, found, strict=True) for row in rows_of(job, pairs)]
    ratios = [float(row["ratio"]) for row in rows]
    print(f"{len(rows)} ratios: median {statistics.median(ratios):.3f}, worst {max(ratios):.3f}")
    same = [
        float(row["ratio"])
        for row in rows
        if row["settings"] == json.dumps(NO_REGION) and row["this_nbytes"] == row["other_nbytes"]
    ]
    print(
        f"{len(same)} without a region, of equal bytes: median {statistics.median(same):.3f}, "
        f"{min(same):.3f} to {max(same):.3f}"
    )
    if args.output:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "versus.csv")
            with table.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            add_columns(table, args.output, describe(["nibabel"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
