"""One piece of work: a method on a scan, all regions and protocols of it."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from medroi.compare import matching, measuring, published
from medroi.compare.coding import coding_of
from medroi.compare.evidence.rows import EvidenceRow, evidence_of
from medroi.compare.methods import Method, settings_text
from medroi.compare.results import MatchedRow, ResultRow
from medroi.compare.sources import Source
from medroi.compare.subject import Subject, prepare

# Work that takes longer than this is timed once, anything else three times.
_LONG_S = 1.0
_N_REPEATS = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings that decide the figures beside scans and methods."""

    regions: tuple[str, ...] = ("full", "box", "mask")
    protocols: tuple[str, ...] = ("medroi", "published")
    matched: bool = True
    background: float | str = "auto"


@dataclasses.dataclass(frozen=True)
class Piece:
    """A method on a scan.

    Attributes
    ----------
    source, method, options
    kind : {"figures", "matched", "times"}
    shown : bool
        Whether the panel shows this scan.
    measured : tuple of ResultRow
        Of matched ones: the rows by our own definitions at the method's level, where known.
    """

    source: Source
    method: Method
    options: Options
    kind: str
    shown: bool = False
    measured: tuple[ResultRow, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """Key in the state."""
        return (self.source.data_set, self.source.scan, self.method.label, self.kind)


@dataclasses.dataclass(frozen=True)
class Done:
    """Result of a piece of work.

    Attributes
    ----------
    rows : tuple of ResultRow or MatchedRow
    times : mapping
        Seconds to encode and to decode, by region.
    slices : mapping
        By region, one decoded slice, where the scan is the one shown.
    evidence : tuple of EvidenceRow
        Of each region in which signal voxels did not come back as they were.
    refused : str
        Why the scan could not be used at all.
    ended : bool
        Whether the work took its process down; it is tried again in the next run.
    """

    rows: tuple[ResultRow, ...] = ()
    times: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    slices: dict[str, Any] = dataclasses.field(default_factory=dict)
    evidence: tuple[EvidenceRow, ...] = ()
    refused: str = ""
    ended: bool = False


def run(piece: Piece) -> Done:
    """Do a piece of work; whatever goes wrong is in what it gives."""
    try:
        subject = _prepared(piece.source, piece.options.background)
    except Exception as error:  # of any library that reads scans
        return Done(refused=measuring.status_of(error))
    kinds: dict[str, Callable[[Subject, Piece], Done]] = {
        "figures": _figures,
        "matched": _matched,
        "times": _times,
    }
    return kinds[piece.kind](subject, piece)


def ended(piece: Piece) -> Done:
    """Result for a piece of work that took its process down, twice."""
    if piece.kind != "figures":
        return Done(ended=True)
    why = "the process ended while it worked on this: a crash, or out of memory"
    source, method = piece.source, piece.method
    rows = [
        ResultRow(
            source.scan,
            source.data_set,
            piece.options.protocols[0],
            method.inner,
            method.level,
            region,
            why,
            settings=settings_text(method.config),
        )
        for region in piece.options.regions
    ]
    return Done(tuple(rows), ended=True)


@functools.lru_cache(maxsize=1)
def _prepared(source: Source, background: float | str) -> Subject:
    """A process works through the methods of one scan before it takes the next."""
    return prepare(source, background)


def _figures(subject: Subject, piece: Piece) -> Done:
    rows: list[ResultRow] = []
    slices, evidence = {}, []
    if measuring.PROTOCOL in piece.options.protocols:
        for region in piece.options.regions:
            row, decoded = measuring.measure(subject, piece.method, region)
            rows.append(row)
            if decoded is None:
                continue
            if piece.shown:
                slices[region] = shown_slice(subject, decoded)
            if row.max_error and (found := evidence_of(subject, row, decoded)) is not None:
                evidence.append(found)
    if published.PROTOCOL in piece.options.protocols and piece.method.published:
        for region in published.REGIONS:
            if region in piece.options.regions:
                rows.append(published.measure(subject, piece.method, region))
    return Done(tuple(rows), slices=slices, evidence=tuple(evidence))


def shown_slice(subject: Subject, array: Any) -> Any:
    """The slice of an array that the panel shows, two axes."""
    part = subject.in_order(array)
    if part.ndim > 2:
        part = part[subject.shown_slice]
    return np.ascontiguousarray(part[(0,) * (part.ndim - 2)])


def _matched(subject: Subject, piece: Piece) -> Done:
    measured = {row.region: row for row in piece.measured}
    if "full" not in measured:
        measured["full"], _ = measuring.measure(subject, piece.method, "full")
    found: list[MatchedRow] = matching.match(subject, piece.method, measured)
    return Done(tuple(row for row in found if row.region in piece.options.regions))


def _times(subject: Subject, piece: Piece) -> Done:
    found = {}
    for region in piece.options.regions:
        coding = coding_of(subject, region, piece.method)
        try:
            coded, encode_s = _timed(coding.encode)
            _, decode_s = _timed(functools.partial(coding.decode, coded))
        except Exception:  # the row of the figures says why there is none
            continue
        found[region] = (encode_s, decode_s)
    return Done(times=found)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Do some work; returns its result and the fastest of its runs by the clock."""
    fastest = float("inf")
    for _ in range(_N_REPEATS):
        start = time.perf_counter()
        result = work()
        fastest = min(fastest, time.perf_counter() - start)
        if fastest > _LONG_S:
            break
    return result, fastest
