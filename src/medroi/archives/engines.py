"""Places where jobs run: in this process, in processes of this machine, or on workers of dask.

An engine takes jobs one by one, as workers become free, and gives each with its record as it is
done. What is stored does not depend on the engine.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from medroi.archives.jobs import Job, ended, failed, pack_job
from medroi.archives.records import Record
from medroi.errors import InvalidArgument, MedROIError
from medroi.processes import run_all
from medroi.scans.scan import require

Done = Iterator[tuple[Job, Record]]
Work = Callable[[Job], Record]

# Jobs that wait on the scheduler, for each thread of a worker: enough that none is ever idle.
_AHEAD = 3
# Workers that die on one job before it is given up.
_RETRIES = 3


def run_here(jobs: Iterable[Job], work: Work = pack_job) -> Done:
    """Run jobs in this process, one after the other."""
    for job in jobs:
        yield job, work(job)


def run_processes(jobs: Iterable[Job], processes: int, work: Work = pack_job) -> Done:
    """Run jobs in processes of this machine; one that dies costs its own job at most."""
    # Not pinned: another part of the same run may work on the same machine.
    yield from run_all(map(_of_one_thread, jobs), work, processes, ended, pinned=False)


def _of_one_thread(job: Job) -> Job:
    """A job for a worker that runs as many at a time as it has threads."""
    return dataclasses.replace(job, threads=1)


def run_dask(jobs: Iterable[Job], scheduler: Any, work: Work = pack_job) -> Done:
    """Run jobs on the workers of dask.distributed.

    Parameters
    ----------
    jobs : iterable of Job
    scheduler : str or distributed.Client
        An address (``tcp://host:8786``), a scheduler file, or a client.

    Raises
    ------
    MedROIError
        Where the scheduler cannot be reached or goes away. What was recorded until then is kept.
    """
    distributed = require("distributed", "--scheduler (scheduler=)", "archive")
    client = scheduler if hasattr(scheduler, "submit") else _client(distributed, scheduler)
    waiting = iter(jobs)
    running: dict[Any, Job] = {}

    def submit(count: int) -> list[Any]:
        fresh = []
        for job in map(_of_one_thread, itertools.islice(waiting, count)):
            future = client.submit(work, job, pure=False, retries=_RETRIES)
            running[future] = job
            fresh.append(future)
        return fresh

    try:
        with client.as_current():
            collected = distributed.as_completed(submit(_room(client, running)))
        for future in collected:
            job = running.pop(future)
            yield job, _result(distributed, future, job)
            future.release()
            for fresh in submit(_room(client, running)):
                collected.add(fresh)
    finally:
        if client is not scheduler:
            client.close()


def _client(distributed: Any, scheduler: str) -> Any:
    given = {"scheduler_file": scheduler} if os.path.isfile(scheduler) else {"address": scheduler}
    try:
        return distributed.Client(**given, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidArgument(
            f"--scheduler {scheduler} (scheduler=): no scheduler of dask answers there ({error}); "
            "expected an address such as tcp://host:8786, or the file of dask scheduler "
            "--scheduler-file"
        ) from error


def _room(client: Any, running: dict[Any, Job]) -> int:
    """Number of jobs more that may wait, so that a tree of any size takes little memory there."""
    try:
        threads: int = sum(client.nthreads().values())
    except (OSError, RuntimeError, AttributeError) as error:
        raise _gone(error) from error
    return max(1, _AHEAD * max(1, threads) - len(running))


def _result(distributed: Any, future: Any, job: Job) -> Record:
    if future.status == "finished":
        record: Record = future.result()
        return record
    if future.status == "error":
        error = future.exception()
        if isinstance(error, distributed.KilledWorker):
            return ended(job)
        return failed(job, error)
    raise _gone(future.status)


def _gone(why: Any) -> MedROIError:
    return MedROIError(
        f"the scheduler went away ({why}); what was done is recorded: start the scheduler and run "
        "the same command again"
    )
