"""Locks around state of the whole process that a fork leaves usable in the child."""

from __future__ import annotations

import logging  # noqa: F401  its lock has to be registered first: see ForkSafeLock
import os
import threading


class ForkSafeLock:
    """A lock that no child process finds held by a thread that it does not have.

    Parameters
    ----------
    wait : bool
        Whether a fork waits until the lock is free, so that the child finds the library behind it
        at rest too. Only for locks under which no other of these locks is taken.

    Notes
    -----
    A fork takes the locks in the reverse order of their registration. Libraries that are imported
    under one of these locks take logging's lock, so that has to come after it.
    """

    def __init__(self, *, wait: bool) -> None:
        # Reentrant: the thread that holds it may fork.
        self._lock = threading.RLock()
        self._owner = 0
        if not hasattr(os, "register_at_fork"):
            return
        if wait:
            os.register_at_fork(
                before=self._lock.acquire,
                after_in_parent=self._lock.release,
                after_in_child=self._lock.release,
            )
        else:
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        if self._owner != threading.get_ident():
            self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._owner = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._owner = 0
        self._lock.release()


# Under it, libraries are imported when they are first needed: a child that was forked in the middle
# of an import would wait for that module for ever.
importing = ForkSafeLock(wait=True)
