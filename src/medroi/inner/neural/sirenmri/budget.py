"""Length of a network's training, and its progress on a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Steps, seconds, or whichever of the two ends first; the seconds run from its making.

    With seconds the number of steps, and so the bytes, differ between machines and runs.
    """

    steps: int | None
    seconds: float | None
    started: float = field(default_factory=time.monotonic)

    def spent(self, step: int) -> float:
        """Share of the budget used up before this step; 1 or more ends the training."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps if self.steps else 1.0)
        if self.seconds is not None:
            shares.append((time.monotonic() - self.started) / self.seconds)
        return max(shares)


class Shown:
    """A bar of 100 %; nothing where there is none."""

    def __init__(self, bar: object | None) -> None:
        self._bar, self._percent = bar, 0

    def move(self, share: float) -> None:
        """Move to a share of the whole."""
        percent = min(int(100 * share), 100)
        if self._bar is not None and percent > self._percent:
            self._bar.update(percent - self._percent)  # type: ignore[attr-defined]
        self._percent = max(percent, self._percent)


@contextlib.contextmanager
def bar(title: str, *, show: bool) -> Iterator[Shown]:
    """A progress bar on stderr after a second; nothing away from a terminal or without tqdm."""
    if not show or not sys.stderr.isatty():
        yield Shown(None)
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield Shown(None)
        return
    with tqdm(total=100, desc=title, unit="%", delay=1.0, leave=False) as shown:
        yield Shown(shown)
