"""What the journal of a very large archive takes: by job, to read it again, and to go on.

    python benchmarks/archive_journal.py -o benchmarks/archive_journal.csv [--jobs N] [--finished N]

Works through many jobs that do nothing, reads what that wrote, and begins a run over a tree whose
scans were all done before.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from archive import in_a_process, processor_s

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

COLUMNS = ("figure", "value", "unit", "note")


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


def measured(n_jobs: int, n_finished: int) -> Iterator[tuple[str, float, str, str]]:
    yield "load average", os.getloadavg()[0], "", f"before the start, of {os.cpu_count()} cores"
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
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--finished", type=int, default=100_000)
    args = parser.parse_args()
    rows = []
    for name, value, unit, note in measured(args.jobs, args.finished):
        rows.append((name, f"{value:.3g}" if value < 1000 else f"{value:.0f}", unit, note))
        print(*rows[-1], sep="\t", flush=True)
    with open(args.out, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
