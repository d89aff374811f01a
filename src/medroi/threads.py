"""Work on many pieces at a time, the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Of Python's RuntimeError where the system gives no thread, for want of memory mostly.
_NO_THREAD = "new thread"


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
    pool = ThreadPoolExecutor(threads, thread_name_prefix="medroi")
    left = iter(items)
    try:
        for item in left:
            future: Future[Result] = Future()
            try:
                pool.submit(_run, future, function, item)
            except RuntimeError as error:
                if _NO_THREAD not in str(error):
                    raise
                # The pool keeps what it could not start a thread for: those it has do it.
                if not waiting and future.cancel():
                    yield function(item)
                    break
            waiting.append(future)
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        yield from map(function, left)
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(cancel_futures=True)


def _run(future: Future[Result], function: Callable[[Item], Result], item: Item) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function(item))
        except BaseException as error:
            future.set_exception(error)
