"""max_error of wavelet3d beside other codecs that bound the error of every voxel.

python benchmarks/bounded_error.py SCANS --per-set 2 -o bounded_error.csv

SCANS holds one folder per data set, with NIfTI files. Volumes of more than --voxels are cropped to
their middle slices, for all codecs alike. Every bound is checked on what was decoded.
Floats are rounded to integers first, since that is what JPEG-LS takes. Peers get every advantage:
SPERR and SZ3 the bound E + 0.499 with rounding after decoding, JPEG-LS slices of its own and no
charge for their lengths. Scans of fewer than 64 values, label maps, are left out. `wavelet3d` has
its default speed, `small` is speed="small". Columns `share_...` are bytes of ours over theirs. The
last rows are geometric means over data sets. Needs: imagecodecs nibabel Pillow PyWavelets
matplotlib scipy.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from coders import crop, keep_all, load
from scan_sets import arguments_of, loaded_scans
from tables import mean, write

from medroi import inspect

BOUNDS = (1, 2, 4, 8)
PEERS = ("jpegls", "sperr", "sz3")
OURS = {"wavelet3d": "fast", "small": "small"}
SHARES = ("share_of_best_peer", "small_share_of_best_peer", "share_of_lossless")
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def jpegls(volume: Array, bound: int) -> tuple[int, Array]:
    """JPEG-LS near, slice by slice; values from 0 on."""
    low = int(volume.min())
    slices = (volume.astype(np.int64) - low).astype(np.uint16).reshape(-1, *volume.shape[-2:])
    coded = [imagecodecs.jpegls_encode(s, level=bound) for s in slices]
    found = np.stack([imagecodecs.jpegls_decode(c) for c in coded]).astype(np.int64) + low
    return sum(map(len, coded)), found.reshape(volume.shape)


def sperr(volume: Array, bound: int) -> tuple[int, Array]:
    """SPERR with a point-wise bound."""
    values = np.ascontiguousarray(volume.reshape(-1, *volume.shape[-2:]), np.float32)
    coded = imagecodecs.sperr_encode(values, level=bound + 0.499, mode="pwe", numthreads=1)
    return len(coded), np.rint(imagecodecs.sperr_decode(coded, numthreads=1)).reshape(volume.shape)


def sz3(volume: Array, bound: int) -> tuple[int, Array]:
    """SZ3 with an absolute bound."""
    values = np.ascontiguousarray(volume, np.float32)
    coded = imagecodecs.sz3_encode(values, mode="abs", abs=bound + 0.499)
    return len(coded), np.rint(imagecodecs.sz3_decode(coded, values.shape, values.dtype))


def ours(config: dict[str, Any], volume: Array) -> tuple[int, Array]:
    """Bytes of the payload, and what came back."""
    codec = keep_all(config, volume)
    coded = codec.encode(volume)
    return inspect(coded).payload_nbytes, np.asarray(codec.decode(coded)).reshape(volume.shape)


def rows_of(data_set: str, name: str, volume: Array) -> list[Row]:
    """A row for each bound."""
    lossless = ours({"id": "predict3d"}, volume)[0]
    found = []
    for bound in BOUNDS:
        row: Row = {"set": data_set, "volume": name, "max_error": bound, "lossless": lossless}
        for column, speed in OURS.items():
            asked = {"id": "wavelet3d", "max_error": bound, "speed": speed}
            row[column], decoded = ours(asked, volume)
            check(column, volume, decoded, bound)
        for peer, code in (("jpegls", jpegls), ("sperr", sperr), ("sz3", sz3)):
            row[peer], values = code(volume, bound)
            check(peer, volume, values, bound)
        row["best_peer"] = min(row[peer] for peer in PEERS)
        row["share_of_best_peer"] = round(row["wavelet3d"] / row["best_peer"], 4)
        row["small_share_of_best_peer"] = round(row["small"] / row["best_peer"], 4)
        row["share_of_lossless"] = round(row["wavelet3d"] / lossless, 4)
        found.append(row)
    return found


def check(codec: str, volume: Array, decoded: Array, bound: int) -> None:
    """Refuse a code that does not keep its bound."""
    worst = float(np.abs(decoded.astype(np.float64) - volume.astype(np.float64)).max())
    if worst > bound:
        raise SystemExit(f"{codec} was off by {worst} where {bound} was asked")


def means(rows: list[Row]) -> list[Row]:
    """Over the volumes of each set, then over sets, for each bound."""
    found = []
    for bound in BOUNDS:
        here = [row for row in rows if row["max_error"] == bound]
        sets = dict.fromkeys(row["set"] for row in here)
        total: Row = {"set": "mean", "volume": f"of {len(sets)} sets", "max_error": bound}
        for column in SHARES:
            each = [mean(row[column] for row in here if row["set"] == name) for name in sets]
            total[column] = round(mean(each), 4)
        found.append(total)
    return found


def integers_of(path: Path, most: float) -> Array:
    """The middle slices of a scan, floats rounded."""
    volume = crop(load(path), most)
    volume = np.rint(volume).astype("<i2") if volume.dtype.kind == "f" else volume
    return np.ascontiguousarray(volume)


def main() -> None:
    """Run everything."""
    parser = arguments_of(__doc__, __file__, per_set=2)
    parser.add_argument("--voxels", type=float, default=2e6, help="of a volume, at most")
    arguments = parser.parse_args()
    rows: list[Row] = []
    read = partial(integers_of, most=arguments.voxels)
    for path, volume in loaded_scans(arguments.folder, arguments.per_set, read):
        data_set, name = path.parent.name, path.name.split(".")[0]
        rows += rows_of(data_set, name, volume)
        print(data_set, name, volume.shape, file=sys.stderr, flush=True)
    rows += means(rows)
    write(rows, arguments.output)


if __name__ == "__main__":
    main()
