"""Results of a comparison's pieces of work: from the state where it has them, else done now."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from medroi import _kernel
from medroi.compare import work
from medroi.compare.evidence.rows import EvidenceRow
from medroi.compare.measuring import PROTOCOL
from medroi.compare.methods import settings_text
from medroi.compare.results import Failure, MatchedRow, ResultRow, row_from_json, row_to_json
from medroi.compare.sources import Source, fingerprint_of
from medroi.compare.state import State
from medroi.compare.work import Done, Piece
from medroi.processes import run_all
from medroi.scans import progress

Times = dict[tuple[str, ...], tuple[float, float]]

# Raised by whoever changes what a figure means, so that kept ones are not mixed with new ones.
_STATE_VERSION = 3


@dataclasses.dataclass(frozen=True)
class Stage:
    """Pieces of work that are done together.

    Attributes
    ----------
    kind, title : str
        That of the pieces, and what the progress bar says.
    pieces : sequence of Piece
    processes : int
        How many at a time.
    redo : bool
        Whether what is known is done again.
    """

    kind: str
    title: str
    pieces: Sequence[Piece]
    processes: int
    redo: bool = False


class Book:
    """Keeps what pieces of work gave, in memory and in the state."""

    def __init__(self, state: State, kept_only: bool, show_progress: bool) -> None:
        self._state, self._kept_only, self._show_progress = state, kept_only, show_progress
        self._found: dict[tuple[str, ...], Done] = {}
        self._order: dict[str, list[tuple[str, ...]]] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self.slices: dict[tuple[str, str, str], Any] = {}

    @property
    def failures(self) -> list[Failure]:
        """Scans that could not be used, and pieces of work that ended their process."""
        return [Failure("/".join(name), why) for name, why in self._refused.items()]

    def is_refused(self, source: Source) -> bool:
        """Whether a scan is known not to be usable."""
        return (source.data_set, source.scan) in self._refused

    def work(self, stage: Stage) -> None:
        """Take from the state what it has, do the rest, and keep it."""
        left = [piece for piece in stage.pieces if stage.redo or not self._known(piece)]
        self._order[stage.kind] = [piece.key for piece in stage.pieces]
        if self._kept_only:
            return
        # A scan that could not be read is not tried again for every pass.
        left = [piece for piece in left if _scan_of(piece) not in self._refused]
        show = self._show_progress
        with progress.bar(len(left), stage.title, show=show, unit="method") as advance:
            for piece, done in run_all(left, work.run, min(stage.processes, len(left)), work.ended):
                advance(1)
                if not done.refused and not done.ended:
                    self._keep(piece, done)
                self._take(piece, done)

    def _known(self, piece: Piece) -> bool:
        value = self._state.get(piece.key, _fingerprint(piece))
        slices = self._slices_of(piece)
        if value is None or (piece.shown and slices is None):
            return False
        kind = MatchedRow if piece.kind == "matched" else ResultRow
        rows = tuple(row_from_json(row, kind) for row in value["rows"])
        times = {region: tuple(seconds) for region, seconds in value["times"].items()}
        evidence = tuple(row_from_json(row, EvidenceRow) for row in value["evidence"])
        self._take(piece, Done(rows, times, slices or {}, evidence))
        return True

    def _slices_of(self, piece: Piece) -> dict[str, Any] | None:
        try:
            with np.load(self._state.path(piece.key, ".npz")) as kept:
                return dict(kept)
        except (OSError, ValueError):
            return None

    def _keep(self, piece: Piece, done: Done) -> None:
        if piece.shown:
            np.savez_compressed(self._state.path(piece.key, ".npz"), **done.slices)
        value = {
            "rows": [row_to_json(row) for row in done.rows],
            "times": {name: list(pair) for name, pair in done.times.items()},
            "evidence": [row_to_json(row) for row in done.evidence],
        }
        self._state.put(piece.key, _fingerprint(piece), value)

    def _take(self, piece: Piece, done: Done) -> None:
        self._found[piece.key] = done
        for region, image in done.slices.items():
            self.slices[(piece.method.inner, piece.method.level, region)] = image
        if done.refused:
            self._refused.setdefault(_scan_of(piece), done.refused)

    def rows(self, kind: str) -> Iterator[ResultRow]:
        """The rows of one stage, in the order of its pieces."""
        for key in self._order.get(kind, ()):
            yield from self._found.get(key, Done()).rows

    def evidence(self) -> Iterator[EvidenceRow]:
        """The rows of evidence, in the order of the pieces that gave them."""
        for key in self._order.get("figures", ()):
            yield from self._found.get(key, Done()).evidence

    def measured(self, key: tuple[str, ...]) -> tuple[ResultRow, ...]:
        """The rows of one piece by our own definitions."""
        rows = self._found.get(key, Done()).rows
        return tuple(row for row in rows if row.protocol == PROTOCOL)

    def times(self) -> Times:
        """Seconds to encode and to decode, by data set, scan, method and region."""
        return {
            (*key[:-1], region): seconds
            for key in self._order.get("times", ())
            for region, seconds in self._found.get(key, Done()).times.items()
        }


def _scan_of(piece: Piece) -> tuple[str, str]:
    return (piece.source.data_set, piece.source.scan)


def _fingerprint(piece: Piece) -> Any:
    options = dataclasses.asdict(piece.options)
    # Which stages there are does not change what one of them gives.
    del options["matched"]
    weights = piece.method.config.get("weights")
    return {
        "files": fingerprint_of(piece.source.paths),
        "weights": fingerprint_of([weights] if weights else []),
        "settings": settings_text(piece.method.config),
        "options": options,
        "medroi": version("medroi"),
        "kernel": _kernel_digest(),
        "state": _STATE_VERSION,
    }


@functools.cache
def _kernel_digest() -> str:
    """Tells builds of one version apart: their bytes and regions may differ."""
    return hashlib.sha256(Path(_kernel.__file__).read_bytes()).hexdigest()[:16]
