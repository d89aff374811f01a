"""Figures for planning an archive: bytes and core-hours a terabyte, and what keeping account costs.

    python benchmarks/archive.py FOLDER -o benchmarks/archive.csv

Packs the scans of FOLDER as `medroi archive` does, in one process and in two, and measures what
hashing, journal and manifest take beside the packing itself.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medroi.archives import archive
from medroi.scans import pack

COLUMNS = ("figure", "value", "unit", "note")


def in_a_process(work: Callable[..., Any], *given: Any) -> Any:
    """Run in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def archived(folder: str, jobs: int) -> tuple[float, float, float, int, int]:
    """Seconds by the clock, of processors, of the busiest core, bytes in and in the archive.

    One process has one core, of which `pack` would use all otherwise. The busiest core is what a
    run takes by the clock on a machine that does nothing else: what this process does alone, and
    the busiest of those that it starts.
    """
    if jobs == 1:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with tempfile.TemporaryDirectory() as place, Children() as children:
        began, before, own = time.monotonic(), processor_s(), time.process_time()
        report = archive(folder, Path(place, "dst"), jobs=jobs)
        seconds, own_s = time.monotonic() - began, time.process_time() - own
    busiest_s = own_s + max(children.seconds.values(), default=0.0)
    return seconds, processor_s() - before, busiest_s, report.nbytes, report.stored_nbytes


class Children:
    """Processor seconds of each process that is started while the block runs."""

    def __init__(self) -> None:
        self.seconds: dict[int, float] = {}
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch)

    def __enter__(self) -> Children:
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watching.join()

    def _watch(self) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        while not self._ended.wait(0.05):
            for process in multiprocessing.active_children():
                with contextlib.suppress(OSError, IndexError):
                    text = Path(f"/proc/{process.pid}/stat").read_text()
                    used = text.rpartition(")")[2].split()[11:13]
                    self.seconds[process.pid or 0] = sum(map(int, used)) / ticks


def processor_s() -> float:
    """Seconds of all processors, those of finished processes too."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def packed_alone(folder: str) -> float:
    """Seconds of processors that `pack` takes for the same scans, in this process."""
    before = processor_s()
    with tempfile.TemporaryDirectory() as place:
        for number, scan in enumerate(sorted(Path(folder).rglob("*.nii*"))):
            pack(scan, Path(place, f"{number}.ome.zarr"), sidecars=False)
    return processor_s() - before


def measured(folder: str) -> Iterator[tuple[str, float, str, str]]:
    load, n_cores = os.getloadavg()[0], os.cpu_count()
    yield (
        "load average",
        load,
        "",
        f"before the start, of {n_cores} cores",
    )
    alone_s = in_a_process(packed_alone, folder)
    one_s, one_cpu_s, _, nbytes, stored_nbytes = in_a_process(archived, folder, 1)
    two_s, _, busiest_s, _, _ = archived(folder, 2)
    terabytes = nbytes / 1e12
    yield "bytes in", nbytes / 1e6, "MB", "scans of FOLDER as they are, .nii.gz mostly"
    yield "bytes in the archive", stored_nbytes / 1e6, "MB", "default settings"
    yield "archive / tree", 100 * stored_nbytes / nbytes, "%", ""
    yield "core-hours a terabyte", one_cpu_s / 3600 / terabytes, "h/TB", "read, pack, verify, copy"
    yield "one process", one_s, "s", "by the clock, one core"
    yield "two processes", two_s, "s", "by the clock, with their start"
    yield "two processes, speed", one_s / two_s, "x one", "by the clock"
    yield (
        "two processes, speed",
        one_cpu_s / busiest_s,
        "x one",
        "processor time of one over that of the busiest core of two",
    )
    yield (
        "account",
        100 * (one_cpu_s / alone_s - 1),
        "%",
        "processor time beyond that of pack alone",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("-o", "--out", required=True)
    args = parser.parse_args()
    rows = []
    for name, value, unit, note in measured(args.folder):
        rows.append((name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", unit, note))
        print(*rows[-1], sep="\t", flush=True)
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
