"""Arithmetic of PyTorch, which belongs to the process: threads and oneDNN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from medroi.inner.forking import ForkSafeLock
from medroi.inner.neural.torch_library import load_torch

# One for all: whoever changes a setting puts back what it found.
_lock = ForkSafeLock(wait=False)


@contextmanager
def torch_threads(codec: str, threads: int) -> Iterator[None]:
    """Let torch use so many threads while a block runs; one block at a time.

    Parameters
    ----------
    codec : str
        Who asks, for messages.
    threads : int
    """
    torch = load_torch(codec)
    with _lock:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def other_arithmetic(codec: str) -> Iterator[None]:
    """Another number of threads and the other setting of oneDNN while a block runs.

    One block at a time; computations of other threads meanwhile may give other last bits, as
    they may at any time.

    Parameters
    ----------
    codec : str
        Who asks, for messages.
    """
    torch = load_torch(codec)
    onednn = torch.backends.mkldnn
    with _lock:
        n_threads, enabled = torch.get_num_threads(), onednn.enabled
        torch.set_num_threads(1 if n_threads > 1 else 2)
        onednn.enabled = not enabled
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)
            onednn.enabled = enabled
