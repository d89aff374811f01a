"""A progress bar for work that takes longer than a second."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def bar(
    total: int, title: str, *, show: bool, unit: str = "chunk", nbytes: int = 0
) -> Iterator[Callable[[int], None]]:
    """Give a function that advances a bar on stderr; nothing is shown away from a terminal.

    Parameters
    ----------
    total : int
        Steps of the work, by which the function advances.
    title, unit : str
        What is done, and what is counted.
    show : bool
        Whether to show anything.
    nbytes : int
        Bytes of the voxels that all steps together go through, where that is known: the bar then
        counts bytes, and shows MB/s.
    """
    if not show or not sys.stderr.isatty():
        yield lambda count: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda count: None
        return
    is_scaled = nbytes > 0 and total > 0
    counted: dict[str, Any] = {"total": total, "unit": unit}
    if is_scaled:
        counted = {"total": nbytes, "unit": "B", "unit_scale": True}
    share = nbytes / total if is_scaled else 1
    with tqdm(desc=title, delay=1.0, leave=False, **counted) as shown:
        yield lambda count: shown.update(count * share) and None
