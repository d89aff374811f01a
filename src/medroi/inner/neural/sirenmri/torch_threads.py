"""How many threads torch uses, which belongs to the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()


@contextmanager
def torch_threads(torch: Any, threads: int) -> Iterator[None]:
    """Let torch use so many threads while one network is trained; others wait their turn."""
    with _lock:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
