"""Bytes of the stores of `medroi pack` by those of the .nii.gz, for three edges of chunks.

    python benchmarks/pack_bytes.py FOLDER > benchmarks/pack_bytes.csv

Every .nii.gz below FOLDER is packed by default and with --lossless, in chunks of 64 voxels, which
is what the layout viewer has, and of 96 and 128. A row has the sums over one folder of scans.
`read_share` is what decoding one voxel in the middle costs: voxels of its chunk, by those of a
chunk of 64. Bytes are the same on every machine; times are in pack.csv. Sums that miss a target end
with status 1.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medroi.scans import pack

EDGES = (64, 96, 128)
COLUMNS = (
    *("set", "n_scans", "dtype", "setting", "edge", "nii_gz_nbytes", "store_nbytes"),
    *("by_nii_gz", "by_edge_64", "read_share", "target", "passed"),
)
SETTINGS = {"default": False, "lossless": True}
# Highest sums of what the layout writes.
TARGETS = {
    ("mri_head", "default"): 0.34,
    ("mri_head", "lossless"): 0.60,
    ("mri_brain", "lossless"): 0.36,
}


def packed(sources: list[Path], lossless: bool, edge: int) -> tuple[int, set[str]]:
    """Bytes of the stores of scans, and their types of elements."""
    stored, dtypes = 0, set()
    for source in sources:
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "a.ome.zarr"
            report = pack(source, store, lossless=lossless, chunks=(edge,))
        stored += report.stored_nbytes
        dtypes.add(report.dtype)
    return stored, dtypes


def rows_of(name: str, sources: list[Path]) -> Iterator[dict[str, Any]]:
    """A row for each setting and edge."""
    source_nbytes = sum(source.stat().st_size for source in sources)
    for setting, lossless in SETTINGS.items():
        of_64 = 0
        for edge in EDGES:
            stored, dtypes = packed(sources, lossless, edge)
            of_64 = of_64 or stored
            target = TARGETS.get((name, setting)) if edge == EDGES[0] else None
            yield {
                "set": name,
                "n_scans": len(sources),
                "dtype": " ".join(sorted(dtypes)),
                "setting": setting,
                "edge": edge,
                "nii_gz_nbytes": source_nbytes,
                "store_nbytes": stored,
                "by_nii_gz": f"{stored / source_nbytes:.4f}",
                "by_edge_64": f"{stored / of_64:.4f}",
                "read_share": f"{(edge / EDGES[0]) ** 3:.3g}",
                "target": "" if target is None else target,
                "passed": target is None or stored <= target * source_nbytes,
            }


def main() -> int:
    """Write the table; 1 where a target is missed."""
    sources: dict[str, list[Path]] = defaultdict(list)
    for source in sorted(Path(sys.argv[1]).rglob("*.nii.gz")):
        sources[source.parent.name].append(source)
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    is_missed = False
    for name, scans in sources.items():
        for row in rows_of(name, scans):
            is_missed |= not row["passed"]
            table.writerow(row)
            sys.stdout.flush()
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
