"""The two versions of wavelet3d: bytes at equal PSNR and time, over data sets.

python benchmarks/wavelet3d_speeds.py SCANS --per-set 2 --voxels 2.5e6

SCANS holds one folder per data set, with NIfTI files. Writes wavelet3d_speeds.csv beside this file:
for each volume and PSNR, and as geometric means over data sets, the bytes of `speed="small"` over
those of `speed="fast"` at the same PSNR (log bytes over PSNR, monotone cubic), and processor time
of `small` over that of `fast` with a given step, which needs no search. Volumes of more than
--voxels are cropped to their middle slices. A volume that comes back exactly, as label maps do, has
no PSNR, and no row for that target.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from coders import Array, ours, psnr, volumes
from curves import bytes_at
from scan_sets import arguments_of
from tables import mean, write

TARGETS = (35.0, 40.0, 45.0, 50.0)
CURVE = (34.0, *TARGETS, 51.0)
Row = dict[str, Any]


def point(array: Array, speed: str, target: float) -> Row | None:
    """Bytes, PSNR, and processor time without the search; the faster of two. None: no loss."""
    asked = {"id": "wavelet3d", "speed": speed}
    nbytes, _, _, decoded = ours({**asked, "psnr": target}, array)
    if np.array_equal(array, decoded):
        return None
    reached = psnr(array, decoded)
    step = float(np.ptp(array.astype(np.float64))) * 10 ** (-reached / 20) * 3.0
    times = [ours({**asked, "step": step}, array)[1:3] for _ in range(2)]
    encode_s, decode_s = (min(pair) for pair in zip(*times, strict=True))
    return {"nbytes": nbytes, "psnr": reached, "encode_s": encode_s, "decode_s": decode_s}


def rows_of(array: Array) -> list[Row]:
    """One row for each target."""
    fast = {target: point(array, "fast", target) for target in CURVE}
    curve = [(found["psnr"], found["nbytes"]) for found in fast.values() if found is not None]
    rows = []
    for target in TARGETS:
        small, other = point(array, "small", target), fast[target]
        if small is None or other is None:
            continue
        whole = bytes_at(curve, small["psnr"])
        if whole is None:
            continue
        row = {"target_dB": target, "psnr_dB": round(small["psnr"], 3), "bytes": small["nbytes"]}
        row["bytes_over_fast"] = round(small["nbytes"] / whole, 4)
        row["encode_over_fast"] = round(small["encode_s"] / other["encode_s"], 2)
        row["decode_over_fast"] = round(small["decode_s"] / other["decode_s"], 2)
        rows.append(row)
    return rows


def means(rows: list[Row]) -> list[Row]:
    """Geometric means: of each data set, then of these."""
    found = []
    for target in TARGETS:
        of_set: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row["target_dB"] == target:
                of_set[row["set"]].append(row)
        per_set = [mean_row(name, target, members) for name, members in of_set.items()]
        found += [*per_set, mean_row("all", target, per_set)]
    return found


def mean_row(name: str, target: float, rows: list[Row]) -> Row:
    """Geometric mean of every ratio."""
    names = ("bytes_over_fast", "encode_over_fast", "decode_over_fast")
    row: Row = {"set": name, "volume": "mean", "target_dB": target}
    return row | {n: round(mean(r[n] for r in rows), 4) for n in names}


def main() -> None:
    """Measure all volumes."""
    parser = arguments_of(__doc__, __file__, per_set=2)
    parser.add_argument("--voxels", type=float, default=2.5e6)
    asked = parser.parse_args()
    rows: list[Row] = []
    for data_set, name, array in volumes(asked.folder, asked.per_set, asked.voxels):
        if array.ndim < 3:
            continue
        whole = np.rint(array).astype("<i2") if array.dtype.kind == "f" else array
        for row in rows_of(whole):
            rows.append({"set": data_set, "volume": name, **row})
            print(rows[-1], flush=True)
    rows += means(rows)
    write(rows, asked.output)


if __name__ == "__main__":
    main()
