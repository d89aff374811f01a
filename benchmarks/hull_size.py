"""What a hull saves against the whole array and against the box, lossless, beside the targets.

    python benchmarks/hull_size.py FOLDER > benchmarks/hull_size.csv

FOLDER holds `mri_head`, heads with the scanner's noise in the air, and `mri_brain`, skull-stripped
brains. Each is fitted and coded as one chunk, as `medroi pack` does. `side_share` are the bytes of
the hull as a share of its stream; `mask_lost` are voxels of the mask of `head_mask.py` that do not
come back from the hull. The status is 1 where a target is missed.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from head_mask import reference_mask

from medroi import MedROI, inspect

INNERS = ("zstd", "jpeg2000", "predict3d")
MAX_SIDE_SHARE = 0.01
# Smallest full / hull and box / hull; of a brain nothing but "never larger than the box".
TARGETS = {"mri_head": (1.55, 1.33), "mri_brain": (0.0, 1.0)}
COLUMNS = (
    *("scan", "set", "inner", "full_nbytes", "box_nbytes", "hull_nbytes"),
    *("full_by_hull", "full_target", "box_by_hull", "box_target"),
    *("side_share", "side_target", "mask_voxels", "mask_lost", "lost_target", "passed"),
)


def rows_of(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """One row for every inner codec."""
    image: Any = nibabel.load(path)
    scan = np.asarray(image.dataobj.get_unscaled())
    mask = reference_mask(scan)
    full_target, box_target = TARGETS[kind]
    for inner in INNERS:
        full = len(MedROI(inner, threshold=-math.inf).encode(scan))
        box = len(MedROI.fit(scan, inner=inner, background="auto").encode(scan))
        stream = MedROI.fit(scan, inner=inner, roi="hull", background="auto").encode(scan)
        hull = len(stream)
        n_lost = int(((MedROI().decode(stream) != scan) & mask).sum())
        side_share = inspect(stream).hull_nbytes / hull
        held = full >= full_target * hull and box >= box_target * hull
        yield {
            "scan": path.name,
            "set": kind,
            "inner": inner,
            "full_nbytes": full,
            "box_nbytes": box,
            "hull_nbytes": hull,
            "full_by_hull": round(full / hull, 4),
            "full_target": full_target or "",
            "box_by_hull": round(box / hull, 4),
            "box_target": box_target,
            "side_share": round(side_share, 5),
            "side_target": MAX_SIDE_SHARE,
            "mask_voxels": int(mask.sum()),
            "mask_lost": n_lost,
            "lost_target": 0,
            "passed": held and side_share < MAX_SIDE_SHARE and n_lost == 0,
        }


def main() -> int:
    """Measure both sets."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    n_rows = n_missed = 0
    for kind in TARGETS:
        for path in sorted(Path(sys.argv[1], kind).glob("*.nii.gz")):
            for row in rows_of(path, kind):
                writer.writerow(row)
                sys.stdout.flush()
                n_rows += 1
                n_missed += not row["passed"]
    print(f"{n_rows} rows, {n_missed} miss a target", file=sys.stderr)
    return 1 if n_missed else 0


if __name__ == "__main__":
    sys.exit(main())
