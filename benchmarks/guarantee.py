"""What chunks lose of the tissue of whole scans, once fitted: against a mask of scipy.

Writes CSV to standard output: python benchmarks/guarantee.py FOLDER > benchmarks/guarantee.csv

The mask knows nothing of medroi: voxels above a tenth of the way from the air to the 99th
percentile, opened, the largest component, closed by 5, holes filled. A voxel is lost where it
differs from what is decoded.
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
from scipy import ndimage

from medroi import MedROI
from medroi.errors import InvalidArgument

Array = np.ndarray[Any, Any]


def reference_mask(volume: Array) -> Array:
    cross = ndimage.generate_binary_structure(3, 1)
    air = np.percentile(volume, 0.5)
    mask = volume > air + 0.1 * (np.percentile(volume, 99) - air)
    labels, _ = ndimage.label(ndimage.binary_opening(mask, cross))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    padded = np.pad(labels == sizes.argmax(), 8)
    closed = ndimage.binary_closing(padded, cross, 5)[(slice(8, -8),) * 3]
    return np.asarray(ndimage.binary_fill_holes(closed))


def chunkings(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    others = shape[3:]
    return {
        "whole": shape,
        "64": (64, 64, 64, *others),
        "slice": (*shape[:2], 1, *others),
        "odd": (37, 51, 29, *others),
    }


def places(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    starts = [range(0, n, size) for n, size in zip(shape, chunks, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(s, s + n) for s, n in zip(corner, chunks, strict=True))


def measure(scan: Array, chunks: tuple[int, ...], options: dict[str, Any]) -> tuple[Array, int]:
    """What is decoded, and the bytes of all chunks; edge chunks are filled up as Zarr does."""
    codec = MedROI.fit(scan, chunks=chunks, **options)
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


def background_of(scan: Array) -> dict[str, Any]:
    try:
        MedROI.fit(scan, background="auto", axes=(0, 1, 2), threshold=None)
    except InvalidArgument:  # a crop without air
        return {"background": int(scan.min())}
    return {"background": "auto"}


def main() -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["scan", "roi", "chunks", "threshold", "of_mask", "lost", "ratio"])
    for path in sorted(Path(sys.argv[1]).rglob("*.nii.gz")):
        image: Any = nibabel.load(path)
        scan = np.asarray(image.dataobj.get_unscaled())
        mask = reference_mask(scan if scan.ndim == 3 else scan.mean(axis=3))
        mask = mask.reshape(mask.shape + (1,) * (scan.ndim - 3))
        for roi, (name, chunks) in product(("box", "hull"), chunkings(scan.shape).items()):
            options = {"inner": "zstd", "roi": roi, "axes": (0, 1, 2), **background_of(scan)}
            threshold = MedROI.fit(scan, chunks=chunks, **options).get_config()["threshold"]
            decoded, nbytes = measure(scan, chunks, options)
            n_lost = int(((decoded != scan) & mask).sum())
            n_mask = int(mask.sum()) * (scan.size // mask.size)
            ratio = round(scan.nbytes / nbytes, 3)
            row = [path.name, roi, name, threshold, n_mask, n_lost, ratio]
            writer.writerow(row)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
