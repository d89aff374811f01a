"""How much of the wait for an object store an archive hides behind coding.

    python benchmarks/archive_s3.py FOLDER -o benchmarks/archive_s3.csv [--scans N] [--delay S]

Packs scans of FOLDER into a local S3 server whose every upload takes S seconds: with one process,
which waits for each upload, and with two on the same core, of which one codes while one waits. A
hundred times a second one looks whether an upload waits, and whether a process is ready to compute
meanwhile; that does not depend on what else the machine does, as times do.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from archive import compiled_modules, in_a_process, processor_s
from slow_s3 import BUCKET, slow_s3

from medroi.archives import Journal, archive, open_place

COLUMNS = ("figure", "value", "unit", "note")


class Overlap:
    """Moments in which an upload waits, and those of them in which a process computes."""

    def __init__(self, waiting: Any) -> None:
        self._waiting, self._ended = waiting, threading.Event()
        self._others = {process.pid for process in multiprocessing.active_children()}
        self._watching = threading.Thread(target=self._watch)
        self.n_waiting = self.n_overlapping = 0

    def __enter__(self) -> Overlap:
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watching.join()

    @property
    def percent(self) -> float:
        return 100 * self.n_overlapping / max(1, self.n_waiting)

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            if self._waiting.value:
                self.n_waiting += 1
                pids = {process.pid for process in multiprocessing.active_children()}
                self.n_overlapping += any(map(is_computing, pids - self._others))


def is_computing(pid: int | None) -> bool:
    """Whether a thread of a process runs, or would if it had a core."""
    try:
        threads = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
        return any(text.rpartition(")")[2].split()[0] == "R" for text in threads)
    except (OSError, IndexError):
        return False


def packed(folder: str, jobs: int, options: dict[str, Any], name: str) -> tuple[float, float, int]:
    """Seconds by the clock and of processors that a run takes on one core, and its uploads."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    url = f"s3://{BUCKET}/{name}"
    began, before = time.monotonic(), processor_s()
    archive(folder, url, jobs=jobs, place_options=options, lossless=True)
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
    with tempfile.TemporaryDirectory() as folder, slow_s3(args.delay) as (options, waiting):
        for scan in sorted(args.folder.rglob("*.nii*"))[: args.scans]:
            Path(folder, scan.name).symlink_to(scan.resolve())
        with compiled_modules(lambda: packed(folder, 2, options, "first")):
            with Overlap(waiting) as one:
                one_s, used_s, n_uploads = in_a_process(packed, folder, 1, options, "one")
            with Overlap(waiting) as two:
                two_s, _, _ = packed(folder, 2, options, "two")
    wait_s = one_s - used_s
    rows = [
        ("load average", load, "", f"before the start, of {os.cpu_count()} cores"),
        ("uploads", n_uploads, "", f"of {args.scans} scans, {args.delay} s each"),
        ("one process", one_s, "s", "by the clock, one core"),
        ("processor", used_s, "s", "of it"),
        ("wait", wait_s, "s", "of it, the rest"),
        ("two processes", two_s, "s", "by the clock, the same core"),
        ("wait hidden", 100 * (one_s - two_s) / wait_s, "%", "by the clock"),
        ("coding while an upload waits", one.percent, "%", "of the moments, one process"),
        ("coding while an upload waits", two.percent, "%", "of the moments, two processes"),
    ]
    shown = [(name, f"{value:.3g}", unit, note) for name, value, unit, note in rows]
    for row in shown:
        print(*row, sep="\t")
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *shown])


if __name__ == "__main__":
    main()
