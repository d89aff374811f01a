"""Figures of one scan that was cleared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from medroi.scans.access.kept_region import KeptRegion
from medroi.scans.report import megabytes, percent


@dataclass(frozen=True)
class ClearReport:
    """A scan whose voxels outside the region became background, in plain files.

    Attributes
    ----------
    source, target : str
        Names of what was read and written.
    shape : tuple of int
        Of the scan.
    dtype : str
        Of its stored values.
    source_nbytes, written_nbytes : int
        Bytes of the files that were read and of those that were written.
    n_files : int
        Files that were written.
    region : KeptRegion
        Kept and dropped voxels.
    n_changed : int
        Those of the dropped voxels that were not background before.
    threshold_rule : str
        The rule that gave the threshold.
    seconds : float
    notes : tuple of str
    """

    source: str
    target: str
    shape: tuple[int, ...]
    dtype: str
    source_nbytes: int
    written_nbytes: int
    n_files: int
    region: KeptRegion
    n_changed: int
    threshold_rule: str
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def saved_share(self) -> float:
        """Share of the source's bytes that is saved; below 0 where the target is larger."""
        return 1 - self.written_nbytes / self.source_nbytes if self.source_nbytes else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        fields = {name: value for name, value in asdict(self).items() if name != "region"}
        return {**fields, **self.region.to_json(), "saved_share": self.saved_share}

    def __str__(self) -> str:
        """Return the report as a few lines of text."""
        sizes = " x ".join(str(size) for size in self.shape)
        files = "" if self.n_files == 1 else f" in {self.n_files} files"
        saved = (
            f"{percent(self.saved_share)} saved"
            if self.saved_share >= 0
            else f"{percent(-self.saved_share)} more than before"
        )
        words = str(self.region).split("\n")
        rows = [
            ("array", f"{sizes} {self.dtype}"),
            ("region", words[0]),
            ("changed", f"{self.n_changed} voxels" if self.n_changed else "no voxel"),
            *(tuple(line.split(": ", 1)) for line in words[1:]),
            (
                "bytes",
                f"{megabytes(self.source_nbytes)} before, {megabytes(self.written_nbytes)} now"
                f"{files}: {saved}",
            ),
            ("checked", "read back: every voxel inside the region is the source's, bit for bit"),
            ("time", f"{self.seconds:.1f} s"),
            *(("note", note) for note in self.notes),
        ]
        lines = [f"{self.source} -> {self.target}"]
        lines += [f"  {name:<10} {text}" for name, text in rows]
        return "\n".join(lines)
