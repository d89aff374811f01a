"""Work in several threads, and in the calling one where the system gives none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from medroi.errors import InvalidArgument
from medroi.values import n_available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

# Of Python's RuntimeError where the system gives no thread, for want of memory mostly.
_NO_THREAD = "new thread"


def n_threads_of(threads: int | None) -> int:
    """Check a number of threads; None is all cores.

    Raises
    ------
    InvalidArgument
        For what is no whole number from 1.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise InvalidArgument(f"threads={threads!r}: expected a whole number from 1, or None")
    return threads or n_available_cores()


class Pool:
    """Up to so many threads. What is submitted is done by those there are, or at once."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="medroi")
        self._has_thread, self._is_alone = False, False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def submit(self, function: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Have a function called. Where no thread ever started, what it raises is raised here."""
        future: Future[Result] = Future()
        if not self._is_alone:
            try:
                self._pool.submit(_run, future, function, *arguments)
                self._has_thread = True
            except RuntimeError as error:
                if _NO_THREAD not in str(error):
                    raise
                # The call is queued all the same: of those that have a thread, it is the next.
                self._is_alone = not self._has_thread
        if self._is_alone:
            future.set_result(function(*arguments))
        return future

    def shutdown(self, *, cancel: bool = False) -> None:
        """Wait for what is being done; with `cancel` nothing more is begun."""
        self._pool.shutdown(cancel_futures=cancel)


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Give the result for each item, in the order of the items.

    Parameters
    ----------
    function : callable
        Called in several threads at a time.
    items : iterable
        Taken by the calling thread, few more than are being worked on: results wait in memory.
    threads : int
        At most; 1 works in the calling thread, and so does any number where no thread can start.
    """
    if threads == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = Pool(threads)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel=True)


def _run(future: Future[Result], function: Callable[..., Result], *arguments: Any) -> None:
    try:
        future.set_result(function(*arguments))
    except BaseException as error:
        future.set_exception(error)
