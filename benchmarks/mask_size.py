"""What a mask saves against the whole array and against the box, lossless, beside the targets.

    python benchmarks/mask_size.py FOLDER > benchmarks/mask_size.csv

FOLDER holds `mri_head`, heads with the scanner's noise in the air, and `mri_brain`, skull-stripped
brains. Each is fitted and coded as one chunk, as `medroi pack` does.

Box and mask have the default threshold. On heads a mask has to save so much; on brains, where it
clears nothing, it must not be larger than the box. `box_lost` and `mask_lost` are voxels of the
mask of `head_mask.py` that do not come back. `side_share` are the bytes of the region's mask as a
share of its stream. The status is 1 where a target is missed.
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
# Smallest full / mask and box / mask.
TARGETS = {"mri_head": (1.55, 1.33), "mri_brain": (0.0, 1.0)}
COLUMNS = (
    *("scan", "set", "inner", "full_nbytes", "box_nbytes", "mask_nbytes"),
    *("full_by_mask", "full_target", "box_by_mask", "box_target", "side_share", "side_target"),
    *("mask_voxels", "box_lost", "mask_lost", "lost_target", "passed"),
)


def rows_of(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """One row for every inner codec."""
    image: Any = nibabel.load(path)
    scan = np.asarray(image.dataobj.get_unscaled())
    mask = reference_mask(scan)
    for inner in INNERS:
        box = MedROI.fit(scan, inner=inner, background="auto").encode(scan)
        masked = MedROI.fit(scan, inner=inner, roi="mask", background="auto").encode(scan)
        sizes = {
            "full": len(MedROI(inner, threshold=-math.inf).encode(scan)),
            "box": len(box),
        }
        ratios = [nbytes / len(masked) for nbytes in sizes.values()]
        side_share = inspect(masked).mask_nbytes / len(masked)
        box_lost, masked_lost = (
            int(((MedROI().decode(stream) != scan) & mask).sum()) for stream in (box, masked)
        )
        full_target, box_target = TARGETS[kind]
        held = all(ratio >= target for ratio, target in zip(ratios, TARGETS[kind], strict=True))
        yield {
            "scan": path.name,
            "set": kind,
            "inner": inner,
            **{f"{name}_nbytes": nbytes for name, nbytes in sizes.items()},
            "mask_nbytes": len(masked),
            **{f"{name}_by_mask": round(r, 4) for name, r in zip(sizes, ratios, strict=True)},
            "full_target": full_target or "",
            "box_target": box_target or "",
            "side_share": round(side_share, 5),
            "side_target": MAX_SIDE_SHARE,
            "mask_voxels": int(mask.sum()),
            "box_lost": box_lost,
            "mask_lost": masked_lost,
            "lost_target": 0,
            "passed": held and side_share < MAX_SIDE_SHARE and masked_lost == 0,
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
