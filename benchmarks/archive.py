"""Figures for planning an archive: bytes and core-hours a terabyte, and what keeping account costs.

    python benchmarks/archive.py FOLDER -o benchmarks/archive.csv [--rounds N]

Packs the scans of FOLDER as `medroi archive` does, in one process and in two in turn, and measures
what hashing, journal and manifest take beside the packing itself: all that a run does while it is
not within `pack`. Modules are compiled beforehand, as pip leaves them.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import medroi.scans
from medroi.archives import archive

COLUMNS = ("figure", "value", "unit", "note")


@dataclass(frozen=True)
class Run:
    """What a run took: seconds by the clock and of processors, and bytes in and in the archive.

    The busiest core is what a run takes by the clock on a machine that does nothing else: what its
    own process does alone, and the busiest of those that it starts. In `pack` is what is spent
    there by its own process.
    """

    seconds: float
    processor_s: float
    busiest_s: float
    in_pack_s: float
    in_pack_processor_s: float
    nbytes: int
    stored_nbytes: int


def in_a_process(work: Callable[..., Any], *given: Any) -> Any:
    """Run in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def archived_later(folder: str) -> Run:
    """Archive a folder in a process that has imported everything: it did so for its first scan."""
    with tempfile.TemporaryDirectory() as first:
        one = min(Path(folder).rglob("*.nii*"), key=lambda scan: scan.stat().st_size)
        Path(first, one.name).symlink_to(one.resolve())
        archived(first, 1)
    return archived(folder, 1)


def archived(folder: str, jobs: int) -> Run:
    """Archive a folder; one process has one core, of which `pack` would use all otherwise."""
    if jobs == 1:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with tempfile.TemporaryDirectory() as place, Children() as children, InPack() as packing:
        began, before, own = time.monotonic(), processor_s(), time.process_time()
        report = archive(folder, Path(place, "dst"), jobs=jobs)
        seconds, own_s = time.monotonic() - began, time.process_time() - own
    return Run(
        seconds,
        processor_s() - before,
        own_s + max(children.seconds.values(), default=0.0),
        packing.seconds,
        packing.processor_s,
        report.nbytes,
        report.stored_nbytes,
    )


class InPack:
    """Time within `pack`, of this process, while the block runs."""

    def __init__(self) -> None:
        self.seconds = self.processor_s = 0.0
        self._pack = medroi.scans.pack

    def __enter__(self) -> InPack:
        medroi.scans.pack = self._timed
        return self

    def __exit__(self, *_: object) -> None:
        medroi.scans.pack = self._pack

    def _timed(self, *given: Any, **named: Any) -> Any:
        began, before = time.monotonic(), time.process_time()
        try:
            return self._pack(*given, **named)
        finally:
            self.seconds += time.monotonic() - began
            self.processor_s += time.process_time() - before


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


@contextlib.contextmanager
def compiled_modules(run: Callable[[], object]) -> Iterator[None]:
    """Let processes keep compiled modules, and compile those of a run."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        run()
        yield


def measured(folder: str, n_rounds: int) -> Iterator[tuple[str, float, str, str]]:
    load, n_cores = os.getloadavg()[0], os.cpu_count()
    yield "load average", load, "", f"before the start, of {n_cores} cores"
    with compiled_modules(lambda: archived(folder, 2)):
        rounds = [
            (
                in_a_process(archived, folder, 1),
                archived(folder, 2),
                in_a_process(archived_later, folder),
            )
            for _ in range(n_rounds)
        ]
    ones, twos, laters = zip(*rounds, strict=True)
    median = statistics.median
    nbytes, stored_nbytes = ones[0].nbytes, ones[0].stored_nbytes
    core_hours = median(one.processor_s for one in ones) / 3600
    yield "rounds", n_rounds, "", "one process, two, and one for the account in turn; medians"
    yield "bytes in", nbytes / 1e6, "MB", "scans of FOLDER as they are, .nii.gz mostly"
    yield "bytes in the archive", stored_nbytes / 1e6, "MB", "default settings"
    yield "archive / tree", 100 * stored_nbytes / nbytes, "%", ""
    yield "core-hours a terabyte", core_hours / (nbytes / 1e12), "h/TB", "read, pack, verify, copy"
    yield "one process", median(one.seconds for one in ones), "s", "by the clock, one core"
    yield (
        "two processes",
        median(two.seconds for two in twos),
        "s",
        "by the clock, with their start",
    )
    yield (
        "two processes, speed",
        median(one.seconds / two.seconds for one, two, _ in rounds),
        "x one",
        "by the clock",
    )
    yield (
        "two processes, speed",
        median(one.processor_s / two.busiest_s for one, two, _ in rounds),
        "x one",
        "processor time of one over that of the busiest core of two",
    )
    yield (
        "account",
        median(100 * (one.seconds / one.in_pack_s - 1) for one in laters),
        "%",
        "of one process by the clock: all but pack over pack",
    )
    yield (
        "account",
        median(100 * (one.processor_s / one.in_pack_processor_s - 1) for one in laters),
        "%",
        "of one process, processor time: all but pack over pack",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows = []
    for name, value, unit, note in measured(args.folder, args.rounds):
        rows.append((name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", unit, note))
        print(*rows[-1], sep="\t", flush=True)
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
