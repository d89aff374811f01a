"""Bytes of plain files that `medroi clear` writes, beside those of the file that the user has.

    python benchmarks/clear.py FOLDER > benchmarks/clear.csv

FOLDER holds one folder of `.nii.gz` files for each data set. Each scan is cleared with the default
options into `.nii.gz` (gzip -6) and into OME-Zarr of Zarr's own codecs. `gzip6_nbytes` is what the
file holds as gzip -6, so that what clearing saves is not mixed with another level of gzip. Every
target was read back by `clear` itself; `n_changed` are the voxels that differ from the source, as
nibabel reads both, and `n_changed_kept` those of them that are not background: any is a failure.
"""

from __future__ import annotations

import csv
import gzip
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medroi.scans import clear

COLUMNS = (
    *("scan", "set", "shape", "dtype", "kept_share", "n_dropped_signal"),
    *("source_nbytes", "gzip6_nbytes", "nii_gz_nbytes", "ome_zarr_nbytes"),
    *("nii_gz_by_source", "nii_gz_by_gzip6", "ome_zarr_by_source"),
    *("n_changed", "n_changed_kept", "seconds"),
)


def row_of(path: Path, kind: str, folder: Path) -> dict[str, Any]:
    """Clear one scan."""
    file, group = folder / "cleared.nii.gz", folder / "cleared.ome.zarr"
    report = clear(path, file, force=True)
    grouped = clear(path, group, force=True)
    before, after = (
        np.asarray(nibabel.load(found).dataobj.get_unscaled()) for found in (path, file)
    )
    changed = (before != after) & ~((before != before) & (after != after))
    gzip6_nbytes = len(gzip.compress(gzip.decompress(path.read_bytes()), 6, mtime=0))
    background = np.asarray(report.region.background, after.dtype)
    return {
        "scan": path.name,
        "set": kind,
        "shape": "x".join(map(str, report.shape)),
        "dtype": report.dtype,
        "kept_share": round(report.region.kept_share, 4),
        "n_dropped_signal": report.region.dropped["n_dropped_signal"],
        "source_nbytes": report.source_nbytes,
        "gzip6_nbytes": gzip6_nbytes,
        "nii_gz_nbytes": report.written_nbytes,
        "ome_zarr_nbytes": grouped.written_nbytes,
        "nii_gz_by_source": round(report.written_nbytes / report.source_nbytes, 4),
        "nii_gz_by_gzip6": round(report.written_nbytes / gzip6_nbytes, 4),
        "ome_zarr_by_source": round(grouped.written_nbytes / report.source_nbytes, 4),
        "n_changed": int(np.count_nonzero(changed)),
        "n_changed_kept": int(np.count_nonzero(after[changed] != background)),
        "seconds": round(report.seconds, 2),
    }


def main() -> int:
    """Clear every scan; 1 where a voxel changed to anything but background."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    failures = 0
    totals: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(Path(sys.argv[1]).glob("*/*.nii.gz")):
            row = row_of(path, path.parent.name, Path(folder))
            writer.writerow(row)
            sys.stdout.flush()
            failures += row["n_changed_kept"] > 0
            sums = totals.setdefault(row["set"], [0, 0, 0])
            for index, name in enumerate(("source_nbytes", "nii_gz_nbytes", "ome_zarr_nbytes")):
                sums[index] += row[name]
    for kind, (source, file, group) in totals.items():
        print(
            f"{kind}: .nii.gz {file / source:.3f}, OME-Zarr {group / source:.3f} of {source} bytes",
            file=sys.stderr,
        )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
