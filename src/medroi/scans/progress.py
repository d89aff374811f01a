"""A progress bar for work that takes longer than a second."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bar(
    total: int, title: str, *, show: bool, unit: str = "chunk"
) -> Iterator[Callable[[int], None]]:
    """Give a function that advances a bar on stderr; nothing is shown away from a terminal."""
    if not show or not sys.stderr.isatty():
        yield lambda count: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda count: None
        return
    with tqdm(total=total, desc=title, unit=unit, delay=1.0, leave=False) as shown:
        yield lambda count: shown.update(count) and None
