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
from pathlib import Path

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


def main() -> int:
    """Write the table; 1 where a target is missed."""
    sources: dict[str, list[Path]] = defaultdict(list)
    for source in sorted(Path(sys.argv[1]).rglob("*.nii.gz")):
        sources[source.parent.name].append(source)
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    is_missed = False
    for name, scans in sources.items():
        source_nbytes = sum(source.stat().st_size for source in scans)
        for setting, lossless in SETTINGS.items():
            of_64 = 0
            for edge in EDGES:
                stored, dtypes = 0, set()
                for source in scans:
                    with tempfile.TemporaryDirectory() as folder:
                        report = pack(
                            source,
                            Path(folder) / "a.ome.zarr",
                            lossless=lossless,
                            chunks=(edge,),
                        )
                    stored += report.stored_nbytes
                    dtypes.add(report.dtype)
                of_64 = of_64 or stored
                target = TARGETS.get((name, setting)) if edge == EDGES[0] else None
                passed = target is None or stored <= target * source_nbytes
                is_missed |= not passed
                table.writerow(
                    {
                        "set": name,
                        "n_scans": len(scans),
                        "dtype": " ".join(sorted(dtypes)),
                        "setting": setting,
                        "edge": edge,
                        "nii_gz_nbytes": source_nbytes,
                        "store_nbytes": stored,
                        "by_nii_gz": f"{stored / source_nbytes:.4f}",
                        "by_edge_64": f"{stored / of_64:.4f}",
                        "read_share": f"{(edge / EDGES[0]) ** 3:.3g}",
                        "target": "" if target is None else target,
                        "passed": passed,
                    }
                )
                sys.stdout.flush()
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
