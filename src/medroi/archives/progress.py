"""Progress of a run on a terminal: done, bytes in, bytes saved, time left."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from medroi.archives.planning import Plan
from medroi.archives.records import FAILED, IN_DST, Record
from medroi.archives.summary import size_text


class Progress:
    """A bar over the bytes of a plan; nothing is shown away from a terminal."""

    def __init__(self, plan: Plan, *, show: bool) -> None:
        self._n_all, self._nbytes = len(plan.todo), plan.nbytes
        self._show = show and sys.stderr.isatty()
        self._bar: Any = None
        self._n_done = self._n_failed = self._saved_nbytes = 0

    def __enter__(self) -> Progress:
        if self._show:
            try:
                from tqdm import tqdm
            except ImportError:
                return self
            self._bar = tqdm(total=self._nbytes, desc="archive", unit="B", unit_scale=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, record: Record) -> None:
        """Count one more record."""
        self._n_done += 1
        self._n_failed += record.state == FAILED
        if record.state in IN_DST:
            self._saved_nbytes += record.nbytes - record.stored_nbytes
        if self._bar is not None:
            self._bar.set_postfix_str(self.text(), refresh=False)
            self._bar.update(record.nbytes)

    def text(self) -> str:
        """The figures beside the bar."""
        failed = f", {self._n_failed} failed" if self._n_failed else ""
        return f"{self._n_done} of {self._n_all}, {size_text(self._saved_nbytes)} saved{failed}"
