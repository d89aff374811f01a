"""Files written from a store, compared by digest with those that were packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medroi.scans.sources.containers import Written
from medroi.scans.sources.source import SourceFile

VERY_BYTES = "very bytes"
SAME_CONTENTS = "same contents"
SAME_VOXELS = "same voxels"
WITHOUT_DROPPED = "without what was dropped"
APPROXIMATE = "approximate"
_N_LISTED = 12


@dataclass(frozen=True)
class ReturnedFile:
    """One file that was written, and what it is of the file that was packed.

    Attributes
    ----------
    name : str
        Of the file that was written.
    source : str
        Name of the file that was packed; empty where the store names none.
    nbytes : int
        Of the file that was written.
    outcome : str
        ``"very bytes"``, SHA-256 checked; ``"same contents"``, SHA-256 checked, in another
        container; ``"same voxels"`` as another kind of file; ``"without what was dropped"`` by the
        region; or ``"approximate"``, of a lossy inner codec.
    n_dropped_voxels : int
        Voxels outside the region.
    """

    name: str
    source: str
    nbytes: int
    outcome: str
    n_dropped_voxels: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return one line of text."""
        of_source = f" of {self.source}" if self.source else ""
        if self.outcome == VERY_BYTES:
            return f"{self.name}: the very bytes{of_source} (SHA-256 checked)"
        if self.outcome == SAME_CONTENTS:
            return (
                f"{self.name}: the same contents{of_source} (SHA-256 checked), not compressed in "
                "the same way"
            )
        if self.outcome == WITHOUT_DROPPED:
            return f"{self.name}: all{of_source} but {self.n_dropped_voxels} dropped voxels"
        if self.outcome == APPROXIMATE:
            return f"{self.name}: the voxels{of_source} as the lossy inner codec keeps them"
        return f"{self.name}: the voxels{of_source} as another kind of file"


def lines_of(files: Sequence[ReturnedFile]) -> list[str]:
    """A line of text for each file; of many, those that are the very bytes are counted in one."""
    if len(files) <= _N_LISTED:
        return [str(file) for file in files]
    others = [str(file) for file in files if file.outcome != VERY_BYTES]
    n_same = len(files) - len(others)
    counted = f"{n_same} of {len(files)} files: the very bytes of each (SHA-256 checked)"
    return [*([counted] if n_same else []), *others]


def returned(
    name: str, written: Written, source: SourceFile | None, n_dropped: int, *, lossless: bool
) -> ReturnedFile:
    """Say what a file that was written is of the one that was packed.

    Parameters
    ----------
    name : str
        Of the file that was written.
    written : Written
        What is known of it.
    source : SourceFile or None
        What it is to be; None where it is of another kind than what was packed.
    n_dropped : int
        Voxels outside the region.
    lossless : bool
        Whether those inside came back bit by bit.
    """
    if source is not None and written.sha256 == source.sha256:
        outcome = VERY_BYTES
    elif source is not None and written.contents_sha256 == source.contents_sha256:
        outcome = SAME_CONTENTS
    elif n_dropped:
        outcome = WITHOUT_DROPPED
    else:
        outcome = SAME_VOXELS if lossless else APPROXIMATE
    kept = outcome in (VERY_BYTES, SAME_CONTENTS)
    return ReturnedFile(
        name,
        "" if source is None else source.name,
        written.nbytes,
        outcome,
        0 if kept else n_dropped,
    )
