"""Decode what was encoded the way another machine would: under another number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from medroi.inner.neural.torch_library import load_torch

# The number of threads belongs to the process.
_lock = threading.Lock()


@contextmanager
def other_threads(codec: str) -> Iterator[None]:
    """Let torch use one thread where it used more, and two where it used one."""
    torch = load_torch(codec)
    with _lock:
        before = torch.get_num_threads()
        torch.set_num_threads(2 if before == 1 else 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
