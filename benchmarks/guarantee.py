"""What chunks lose of the tissue of whole scans, once fitted: against a mask of scipy.

    python benchmarks/guarantee.py FOLDER > benchmarks/guarantee.csv

The status is 1 where more is lost than `max_miss_rate` allows. `of_mask` are the voxels of the mask
of `head_mask.py`; one is lost where it differs from what is decoded, and `brightest` is the largest
of those.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from head_mask import reference_mask
from PIL import Image

from medroi import MedROI
from medroi.errors import InvalidArgument

Array = np.ndarray[Any, Any]

MAX_MISS_RATE = 0.002
COLUMNS = (
    *("scan", "roi", "chunks", "threshold", "of_mask", "allowed", "lost"),
    *("brightest", "ratio", "held"),
)


def chunkings(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Chunk shapes by name; the axis of time stays whole."""
    if len(shape) == 2:
        return {"whole": shape, "64": (64, 64), "odd": (137, 251)}
    others = shape[3:]
    return {
        "whole": shape,
        "64": (64, 64, 64, *others),
        "slice": (*shape[:2], 1, *others),
        "odd": (37, 51, 29, *others),
    }


def places(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Where the chunks lie."""
    starts = [range(0, n, size) for n, size in zip(shape, chunks, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(s, s + n) for s, n in zip(corner, chunks, strict=True))


def through_chunks(scan: Array, chunks: tuple[int, ...], codec: MedROI) -> tuple[Array, int]:
    """What is decoded, and the bytes of all chunks; edge chunks are padded as Zarr does."""
    fill = codec.get_config()["background"]
    decoded, nbytes = np.empty_like(scan), 0
    for place in places(scan.shape, chunks):
        part = scan[place]
        chunk = np.full(chunks, fill, scan.dtype, order="F")
        inside = tuple(slice(n) for n in part.shape)
        chunk[inside] = part
        stream = codec.encode(chunk)
        nbytes += len(stream)
        decoded[place] = codec.decode(stream)[inside]
    return decoded, nbytes


def background_of(scan: Array, axes: tuple[int, ...]) -> dict[str, Any]:
    """Options that fix the background: found, or the smallest value of a crop without air."""
    try:
        fitted = MedROI.fit(scan, background="auto", axes=axes, threshold=None)
    except InvalidArgument:
        return {"background": int(scan.min())}
    return {"background": fitted.get_config()["background"]}


def stored_voxels(path: Path) -> Array:
    """The voxels as they are stored."""
    if path.suffix == ".png":
        return np.asarray(Image.open(path))
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj.get_unscaled())


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """One row for every region and chunking of one scan."""
    scan = stored_voxels(path)
    axes = tuple(range(min(scan.ndim, 3)))
    mask = reference_mask(scan if scan.ndim < 4 else scan.mean(axis=3))
    mask = mask.reshape(mask.shape + (1,) * (scan.ndim - mask.ndim))
    options = {"inner": "zstd", "axes": axes, "max_miss_rate": MAX_MISS_RATE}
    options |= background_of(scan, axes)
    n_mask = int(mask.sum()) * (scan.size // mask.size)
    for roi, (name, chunks) in product(("box", "mask"), chunkings(scan.shape).items()):
        codec = MedROI.fit(scan, chunks=chunks, roi=roi, **options)
        decoded, nbytes = through_chunks(scan, chunks, codec)
        lost = (decoded != scan) & mask
        n_lost = int(lost.sum())
        yield {
            "scan": path.name,
            "roi": roi,
            "chunks": name,
            "threshold": codec.get_config()["threshold"],
            "of_mask": n_mask,
            "allowed": int(MAX_MISS_RATE * n_mask),
            "lost": n_lost,
            "brightest": scan[lost].max() if n_lost else "",
            "ratio": round(scan.nbytes / nbytes, 3),
            "held": n_lost <= MAX_MISS_RATE * n_mask,
        }


def main() -> int:
    """Measure every scan of the folder."""
    found = Path(sys.argv[1]).rglob("*")
    paths = sorted(p for p in found if p.name.endswith((".nii", ".nii.gz", ".png")))
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    n_broken = 0
    for path in paths:
        for row in rows_of(path):
            writer.writerow(row)
            sys.stdout.flush()
            n_broken += not row["held"]
    print(f"{len(paths)} scans, {n_broken} broken promises", file=sys.stderr)
    return 1 if n_broken else 0


if __name__ == "__main__":
    sys.exit(main())
