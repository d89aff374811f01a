"""Processes that work side by side, one a core."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from medroi.system import is_running

Job = TypeVar("Job")
Result = TypeVar("Result")

# Libraries start as many threads as there are cores, in each of our processes.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
}
# How often a process looks whether the one that started it is still there.
_WATCH_S = 1.0


def run_all(
    jobs: Iterable[Job],
    work: Callable[[Job], Result],
    processes: int,
    ended: Callable[[Job], Result],
    *,
    pinned: bool = True,
) -> Iterator[tuple[Job, Result]]:
    """Work through jobs in their order, and give each with its result as it is done.

    A process that a library takes down with it (or that is killed for its memory) costs the jobs
    that were under way: each is tried once more, alone, and has `ended` for its result if it
    happens again. Where the caller stops, or is stopped, the processes are ended at once.

    Parameters
    ----------
    jobs : iterable
        Taken one by one, as processes become free.
    work : callable
        A function of a module, which is imported in the processes.
    processes : int
        How many at a time, at least 1.
    ended : callable
        The result of a job that took its process down twice; called here.
    pinned : bool
        Keep each process on a core of its own, so that times can be compared. Without it two
        programs that do so at once do not crowd on the same cores, and each piece of work has to
        keep to one thread by itself.
    """
    waiting = iter(jobs)
    for first in waiting:
        lost: list[Job] = []
        taken = itertools.chain([first], waiting)
        yield from _run_until_broken(taken, work, processes, lost, pinned=pinned)
        for job in lost:
            again: list[Job] = []
            yield from _run_until_broken(iter([job]), work, 1, again, pinned=pinned)
            if again:
                yield job, ended(job)


def _run_until_broken(
    waiting: Iterator[Job],
    work: Callable[[Job], Result],
    processes: int,
    lost: list[Job],
    *,
    pinned: bool,
) -> Generator[tuple[Job, Result], None, None]:
    """Done jobs, until a process ends; `lost` gets those under way then."""
    running: dict[Future[Result], Job] = {}
    with _pool(processes, pinned=pinned) as pool:
        while True:
            for job in itertools.islice(waiting, processes - len(running)):
                try:
                    running[pool.submit(work, job)] = job
                except BrokenProcessPool:
                    lost += [job, *running.values()]
                    return
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = False
            for future in finished:
                job = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    broken = True
                    lost.append(job)
                    continue
                yield job, result
            if broken:
                lost += running.values()
                return


@contextlib.contextmanager
def _pool(processes: int, *, pinned: bool) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    cores = context.Queue()
    has_cores = pinned and hasattr(os, "sched_getaffinity")
    free = sorted(os.sched_getaffinity(0)) if has_cores else []
    for number in range(processes):
        cores.put(free[number % len(free)] if free else None)
    with _environment(_ONE_THREAD):
        pool = ProcessPoolExecutor(
            processes, context, initializer=_begin, initargs=(cores, os.getpid())
        )
        try:
            # Processes start with the first work, while the environment is theirs.
            list(pool.map(_nothing, range(processes)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    try:
        yield pool
    except BaseException:
        # Who stops does not wait for what is under way.
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(cores: Any, parent: int) -> None:
    """Keep this process and its threads on the core it is given, and end it with its parent."""
    core = cores.get()
    if core is not None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    # A killed parent closes no pipe that its other children hold too.
    while os.getppid() == parent and is_running(parent):
        time.sleep(_WATCH_S)
    os._exit(1)


def _nothing(_: int) -> None:
    return None


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
