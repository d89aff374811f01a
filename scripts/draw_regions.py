#!/usr/bin/env python3
"""Draw docs/pictures/regions.png, the picture of the README, from the shipped scan.

Needs medroi[show]. Noise is shown brighter than it is, so that what a region drops can be seen.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import nibabel
import numpy as np

from medroi import MedROI, inspect

matplotlib.use("Agg")
from matplotlib import pyplot as plt

ROOT = Path(__file__).parent.parent
SCAN = ROOT / "examples" / "data" / "head_T1w.nii.gz"
PICTURE = ROOT / "docs" / "pictures" / "regions.png"


def draw(volume: np.ndarray, path: Path) -> None:
    """Draw the middle sagittal plane: as scanned, and decoded from each kind of region."""
    panels = [("scan", volume, volume.nbytes)]
    for roi in ("box", "mask"):
        stream = MedROI.fit(volume, roi=roi, inner="predict3d", background="auto").encode(volume)
        assert inspect(stream).roi == roi
        panels.append((f'roi="{roi}"', MedROI().decode(stream), len(stream)))
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.3), facecolor="white")
    for axis, (title, voxels, nbytes) in zip(axes, panels, strict=True):
        plane = np.rot90(voxels[volume.shape[0] // 2].astype("f4"))
        axis.imshow(np.clip(plane / 110, 0, 1) ** 0.4, cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{title}: {nbytes / 1e6:.2f} MB", fontsize=11)
        axis.set_axis_off()
    figure.tight_layout(pad=0.6)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def reduce_colours(path: Path, n_colours: int = 24) -> None:
    """Keep the file small: noise does not compress, fewer greys do."""
    from PIL import Image

    with Image.open(path) as opened:
        small = opened.convert("L").quantize(n_colours)
    small.save(path, optimize=True)


def main() -> None:
    """Draw the picture, to a path of the command line if there is one."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    draw(np.asanyarray(nibabel.load(SCAN).dataobj), path)
    reduce_colours(path)


if __name__ == "__main__":
    main()
