"""Bytes of label maps: predict3d at each level beside zstd and the coders made for labels.

    python benchmarks/label_maps.py FOLDER -o benchmarks/label_maps.csv

Label maps are NIfTI files in FOLDER's folders with `label` in their name or `seg` at its end, and
maps made of the middle 24 slices of the first --per-set scans of three axes in each: tissue
classes, parcels of an atlas, many small instances, and lesions. Every coder gives all voxels back,
or the status is 1. `of_best` is the bytes over those of the smallest coder of another package. zstd
has level 19 behind a byte shuffle; compressed-segmentation and compresso, which leave that to their
users, have zstd behind them. rle is PackBits of each byte plane, as in DICOM. JPEG XL codes each
slice of the labels' ranks.
Needs: nibabel scipy imagecodecs compressed-segmentation compresso crackle-codec.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from label_peers import PEERS
from scan_sets import arguments_of, native_voxels, sets_of
from scipy.ndimage import distance_transform_edt, gaussian_filter
from tables import markdown, mean, write

from medroi import MedROI

LEVELS = ("fast", "dense", "max")
COLUMNS = ("set", "scan", "map", "shape", "dtype", "n_labels", "codec", "nbytes", "of_best")
COLUMNS += ("encode_MBps", "decode_MBps", "exact")
# What FreeSurfer's first cortical parcels are called.
FIRST_PARCEL = 1001
N_SLICES = 24
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def nearest_seed(body: Array, n: int, rough: float, rng: np.random.Generator) -> Array:
    """From 1, the nearest of n places in a body, with uneven borders; 0 outside."""
    seeds = np.ones(body.shape, bool)
    places = np.argwhere(body)
    chosen = places[rng.choice(len(places), min(n, len(places)), replace=False)]
    numbers = np.zeros(body.shape, np.uint32)
    seeds[tuple(chosen.T)] = False
    numbers[tuple(chosen.T)] = np.arange(1, len(chosen) + 1)
    nearest = distance_transform_edt(seeds, return_distances=False, return_indices=True)
    shift = [rough * 9 * gaussian_filter(rng.standard_normal(body.shape), 3) for _ in body.shape]
    moved = [
        np.clip(axis + np.rint(by).astype(int), 0, size - 1)
        for axis, by, size in zip(np.indices(body.shape), shift, body.shape, strict=True)
    ]
    return np.where(body, numbers[tuple(nearest[:, *moved])], 0)


def made_of(scan: Array) -> Iterator[tuple[str, Array]]:
    """Label maps of the kinds that people store, in the shapes of a scan."""
    rng = np.random.default_rng(20)
    smooth = gaussian_filter(scan.astype(np.float32), 0.7)
    limit = smooth.mean()
    body = smooth > limit
    cuts = np.quantile(smooth[body], (0.3, 0.7))
    yield "tissue", np.where(body, 1 + np.searchsorted(cuts, smooth), 0).astype(np.uint8)
    parcels = nearest_seed(body, 70, 1.0, rng)
    yield "parcels", np.where(parcels > 0, parcels + FIRST_PARCEL - 1, 0).astype(np.int32)
    yield "instances", nearest_seed(body, 4000, 0.5, rng).astype(np.uint32)
    bumps = gaussian_filter(rng.standard_normal(scan.shape).astype(np.float32), 3)
    yield "lesions", (body & (bumps > np.quantile(bumps, 0.998))).astype(np.uint8)


def maps_of(folder: Path, per_set: int) -> Iterator[tuple[str, str, str, Array]]:
    """Data set, scan, kind of map, and labels; axes as they lie in memory, slowest first."""
    for data_set in sets_of(folder):
        n_made = 0
        for path in sorted(data_set.glob("*.nii*")):
            name = path.name.split(".")[0]
            if "label" in name or name.endswith("seg"):
                yield data_set.name, name, "drawn", native_voxels(path).T
            elif n_made < per_set and (scan := native_voxels(path).T).ndim == 3:
                n_made += 1
                first = max(0, len(scan) - N_SLICES) // 2
                for kind, labels in made_of(scan[first : first + N_SLICES]):
                    yield data_set.name, name, kind, labels


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """A result and its processor seconds."""
    start = time.process_time()
    return work(), max(time.process_time() - start, 1e-9)


def coders() -> dict[str, tuple[Callable[[Array], bytes], Callable[[bytes, Array], Array]]]:
    """Encoders, and decoders that take type and shape from an array like the original."""
    ours = {}
    for level in LEVELS:
        codec = MedROI.lossless({"id": "predict3d", "level": level})
        ours[f"predict3d-{level}"] = (codec.encode, lambda b, like, c=codec: c.decode(b))
    return {**ours, **PEERS}


def rows_of(data_set: str, scan: str, kind: str, labels: Array) -> list[Row]:
    """One row for each coder."""
    rows, megabytes = [], labels.nbytes / 1e6
    like = np.broadcast_to(np.zeros((), labels.dtype), labels.shape)
    for name, (encode, decode) in coders().items():
        coded, encode_s = timed(lambda e=encode: bytes(e(labels)))
        decoded, decode_s = timed(lambda d=decode, c=coded: np.asarray(d(c, like)))
        row: Row = {"set": data_set, "scan": scan, "map": kind, "codec": name}
        row |= {"shape": "x".join(map(str, labels.shape)), "dtype": str(labels.dtype)}
        row |= {"n_labels": len(np.unique(labels)), "nbytes": len(coded)}
        row |= {"encode_MBps": f"{megabytes / encode_s:.1f}"}
        row |= {"decode_MBps": f"{megabytes / decode_s:.1f}"}
        row["exact"] = bool(np.array_equal(decoded.reshape(labels.shape), labels))
        rows.append(row)
    best = min(row["nbytes"] for row in rows if row["codec"] in PEERS)
    return [row | {"of_best": f"{row['nbytes'] / best:.3f}"} for row in rows]


def table(rows: list[Row]) -> str:
    """The table of docs/limit.md: geometric means of bytes over those of zstd."""
    zstd = {(r["scan"], r["map"]): int(r["nbytes"]) for r in rows if r["codec"] == "zstd"}
    kinds = list(dict.fromkeys(row["map"] for row in rows))
    lines = []
    for codec in dict.fromkeys(row["codec"] for row in rows if row["codec"] != "zstd"):
        cells = []
        for kind in kinds:
            own = [row for row in rows if (row["codec"], row["map"]) == (codec, kind)]
            shares = (int(r["nbytes"]) / zstd[r["scan"], r["map"]] for r in own)
            cells.append(f"{mean(shares):.2f}")
        lines.append([codec, *cells])
    return markdown(["bytes over zstd", *kinds], lines)


def main() -> int:
    """Measure all maps; 1 where a voxel did not come back."""
    args = arguments_of(__doc__, __file__, per_set=1).parse_args()
    rows: list[Row] = []
    for found in maps_of(args.folder, args.per_set):
        rows += rows_of(*found)
        print(*found[:3], file=sys.stderr, flush=True)
    write(rows, args.output, COLUMNS)
    print(table(rows))
    return 0 if all(row["exact"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
