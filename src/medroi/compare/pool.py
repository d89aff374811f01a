"""Processes that work side by side, one a core, each on a core of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from medroi.compare import work
from medroi.compare.work import Done, Piece

# Libraries start as many threads as there are cores, in each of our processes.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
}


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(pieces: Sequence[Piece], processes: int) -> Iterator[tuple[Piece, Done]]:
    """Do pieces of work in their order, and give each as it is done.

    A process that a library takes down with it (or that is killed for its memory) costs the pieces
    that were under way: each is tried once more, alone, and refused if it happens again.
    """
    left = list(pieces)
    while left:
        lost: list[Piece] = []
        for piece, done in _run_until_broken(left, processes):
            if done is None:
                lost.append(piece)
            else:
                left.remove(piece)
                yield piece, done
        for piece in lost:
            left.remove(piece)
            yield piece, _run_alone(piece)


def _run_alone(piece: Piece) -> Done:
    for _, done in _run_until_broken([piece], 1):
        if done is not None:
            return done
    return work.ended(piece)


def _run_until_broken(
    pieces: Sequence[Piece], processes: int
) -> Iterator[tuple[Piece, Done | None]]:
    """Done pieces; None for those under way when a process ended. The rest is given not at all."""
    waiting = list(pieces)
    running: dict[Future[Done], Piece] = {}
    with _pool(min(processes, len(waiting))) as pool:
        while waiting or running:
            while waiting and len(running) < processes:
                piece = waiting.pop(0)
                running[pool.submit(work.run, piece)] = piece
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = False
            for future in finished:
                piece = running.pop(future)
                try:
                    yield piece, future.result()
                except BrokenProcessPool:
                    broken = True
                    yield piece, None
            if broken:
                for piece in running.values():
                    yield piece, None
                return


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    for number in range(processes):
        cores.put(free[number % len(free)] if free else None)
    with _environment(_ONE_THREAD):
        pool = ProcessPoolExecutor(processes, context, initializer=_stay_on, initargs=(cores,))
        try:
            # Processes start with the first work, while the environment is theirs.
            list(pool.map(_nothing, range(processes)))
        except BrokenProcessPool:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _stay_on(cores: Any) -> None:
    """Keep this process and the threads of its libraries on one core."""
    core = cores.get()
    if core is not None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})


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
