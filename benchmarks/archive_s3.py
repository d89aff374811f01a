"""How much of the wait for an object store an archive hides behind coding, on one core.

    python benchmarks/archive_s3.py FOLDER -o benchmarks/archive_s3.csv [--scans N] [--delay S]

Packs scans of FOLDER into a local S3 server whose every upload takes S seconds: with one process,
which waits for each upload, and with two on the same core, of which one codes while one waits.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from archive import in_a_process, processor_s
from slow_s3 import BUCKET, slow_s3

from medroi.archives import Journal, archive, open_place

COLUMNS = ("figure", "value", "unit", "note")


def packed(folder: str, jobs: int, options: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds by the clock and of processors that a run takes on one core, and its uploads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    url = f"s3://{BUCKET}/{jobs}"
    began, before = time.monotonic(), processor_s()
    archive(folder, url, jobs=jobs, place_options=options)
    seconds, used_s = time.monotonic() - began, processor_s() - before
    with Journal(open_place(url, options), writes=False) as journal:
        return seconds, used_s, sum(len(record.stored_files) for record in journal.records())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--scans", type=int, default=8)
    parser.add_argument("--delay", type=float, default=0.3)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, slow_s3(args.delay) as options:
        for scan in sorted(args.folder.rglob("*.nii*"))[: args.scans]:
            Path(folder, scan.name).symlink_to(scan.resolve())
        one_s, used_s, n_uploads = in_a_process(packed, folder, 1, options)
        two_s, _, _ = packed(folder, 2, options)
    wait_s = n_uploads * args.delay
    rows = [
        ("load average", load, "", f"before the start, of {os.cpu_count()} cores"),
        ("uploads", n_uploads, "", f"of {args.scans} scans, {args.delay} s each"),
        ("wait for uploads", wait_s, "s", "if each is waited for"),
        ("processor", used_s, "s", "one process, all but the wait"),
        ("one process", one_s, "s", "by the clock, one core"),
        ("two processes", two_s, "s", "by the clock, the same core"),
        ("wait hidden", 100 * (one_s - two_s) / wait_s, "%", "half is what two can hide at least"),
    ]
    shown = [(name, f"{value:.3g}", unit, note) for name, value, unit, note in rows]
    for row in shown:
        print(*row, sep="\t")
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *shown])


if __name__ == "__main__":
    main()
