"""Figures for planning an archive: bytes and core-hours a terabyte, and what keeping account costs.

    python benchmarks/archive.py FOLDER -o benchmarks/archive.csv [--jobs N] [--finished N]

Packs the scans of FOLDER as `medroi archive` does, in one process and in two, and measures what
hashing, journal and manifest take beside the packing itself; works through many jobs that do
nothing, and through a tree whose scans were all done before.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medroi.archives import (
    FileFacts,
    Job,
    Journal,
    Record,
    Settings,
    archive,
    claim,
    open_place,
    run_here,
)
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


def tiny_jobs(count: int) -> tuple[float, float, float]:
    """Microseconds a job, processor seconds to read the journal again, the reader's MB."""
    with tempfile.TemporaryDirectory() as folder:
        place = open_place(folder)
        began = processor_s()
        with Journal(place) as journal:
            for _, record in run_here(jobs_of(count), nothing):
                journal.add(record)
        per_job_us = 1e6 * (processor_s() - began) / count
        seconds, nbytes = in_a_process(read_journal, folder, count)
    return per_job_us, seconds, nbytes / 1e6


def jobs_of(count: int) -> Iterator[Job]:
    settings = Settings({})
    for number in range(count):
        path = path_of(number)
        yield Job("/", path, "scan", (path,), "/", path, settings)


def path_of(number: int) -> str:
    """A name such as BIDS has."""
    return f"sub-{number // 100:05}/sub-{number // 100:05}_run-{number % 100:02}_T1w.nii.gz"


def nothing(job: Job) -> Record:
    """A record as that of a stored scan."""
    digest = hashlib.sha256(job.path.encode()).hexdigest()
    names = ("zarr.json", "s0/zarr.json", "s0/c/0/0/0", "nifti/zarr.json", "nifti/c/0")
    return Record(
        job.path,
        "scan",
        "stored",
        nbytes=1,
        sha256=digest,
        target=job.path.replace(".nii.gz", ".ome.zarr"),
        stored_nbytes=5,
        stored_sha256=digest,
        stored_files=tuple(FileFacts(name, 1, digest) for name in names),
        settings=job.settings.token,
        versions={"medroi": "0.1.0", "numpy": "2.0.0", "zarr": "3.1.0"},
        region=((0, 160), (0, 192), (0, 163)),
        kept_share=0.5,
        n_dropped_signal=0,
        largest_dropped_group=0,
        seconds=1.0,
        peak_nbytes=1 << 28,
    )


def read_journal(folder: str, count: int) -> tuple[float, int]:
    began = processor_s()
    with Journal(open_place(folder), writes=False) as journal:
        assert len(journal.index) == count
        return processor_s() - began, peak_nbytes()


def peak_nbytes() -> int:
    """The most memory of this process; what `resource` gives is that of its parent too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise OSError("/proc/self/status has no VmHWM: measure on Linux")


def resumed(count: int) -> tuple[float, float, float]:
    """Seconds until a run over finished scans knows what is left, of processors too, and MB."""
    with tempfile.TemporaryDirectory() as folder:
        source, place = Path(folder, "src"), open_place(str(Path(folder, "dst")))
        source.mkdir()
        claim(place, str(source), moved=False)
        with Journal(place) as journal:
            for job in jobs_of(count):
                file = source / job.path
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(b"x")
                record = nothing(job)
                Path(folder, "dst", record.target).mkdir(parents=True)
                facts = {**record.to_json(), "mtime_ns": file.stat().st_mtime_ns}
                journal.add(Record.of_json(facts))
        return in_a_process(planned, str(source), str(Path(folder, "dst")), count)


def planned(source: str, place: str, count: int) -> tuple[float, float, float]:
    began, before = time.monotonic(), processor_s()
    report = archive(source, place, dry_run=True)
    assert report.n_done_before == count
    assert not report.planned
    return time.monotonic() - began, processor_s() - before, peak_nbytes() / 1e6


def measured(folder: str, n_jobs: int, n_finished: int) -> Iterator[tuple[str, float, str, str]]:
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
    per_job_us, read_s, read_mb = tiny_jobs(n_jobs)
    yield (
        "job that does nothing",
        per_job_us,
        "us",
        f"{n_jobs} jobs: processor time of all around it",
    )
    yield "journal read again", read_s, "s", f"{n_jobs} records, processor time"
    yield "reader's memory", read_mb, "MB", f"{n_jobs} records, all of the process"
    plan_s, plan_cpu_s, plan_mb = resumed(n_finished)
    yield "resumed run starts work", plan_s, "s", f"{n_finished} finished scans, by the clock"
    yield "resumed run starts work", plan_cpu_s, "s", f"{n_finished} finished scans, processor time"
    yield "resumed run's memory", plan_mb, "MB", f"{n_finished} finished scans, all of the process"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=100_000)
    args = parser.parse_args()
    rows = []
    for name, value, unit, note in measured(args.folder, args.jobs, args.finished):
        rows.append((name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", unit, note))
        print(*rows[-1], sep="\t", flush=True)
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
