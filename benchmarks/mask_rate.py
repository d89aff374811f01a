"""What a mask costs or saves a lossy codec at equal quality inside it.

python benchmarks/mask_rate.py SCANS --per-set 2 -o mask_rate.csv

SCANS holds one folder per data set, with NIfTI files; of a series the middle volume is taken, and
label maps are left out. Each scan is coded by wavelet3d with the mask that `MedROI.fit` finds and
as a whole, at several steps; bytes at a PSNR over the voxels of the mask, against their range, are
read off both curves. Columns: `over_whole` is bytes of all streams with the mask over those
without; `side_share` is the part of the stream with the mask that says where it is;
`payload_over_whole` leaves that out. Scans of which everything is kept have no row.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from coders import crop, load
from curves import bytes_at
from scan_sets import arguments_of, loaded_scans
from tables import write

import medroi
from medroi import metrics

TARGETS = (35.0, 38.0, 40.0, 42.0, 45.0)
# Towards a PSNR: steps of a quantiser whose error is about their own over the square root of 12.
STEPS_DB = (27, 31, 35, 39, 43, 47)
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def curve(scan: Array, codecs: list[medroi.MedROI], kept: Array) -> tuple[Any, int]:
    """PSNR inside and bytes for each codec, and the bytes that are not payload."""
    peak = metrics.tissue_peak(scan, kept)
    found, side = [], 0
    for codec in codecs:
        coded = codec.encode(scan)
        side = len(coded) - medroi.inspect(coded).payload_nbytes
        reached = metrics.psnr(scan, np.asarray(codec.decode(coded)), peak, kept)
        if np.isfinite(reached):
            found.append((reached, len(coded)))
    return sorted(found), side


def rows_of(data_set: str, name: str, scan: Array) -> list[Row]:
    """A row for each PSNR that both curves reach."""
    fitted = medroi.MedROI.fit(scan, inner="raw", roi="mask", background="auto")
    kept = fitted.region.kept()
    if kept.all():
        return []
    region = {k: v for k, v in fitted.get_config().items() if k not in ("id", "inner")}
    peak = metrics.tissue_peak(scan, kept)
    inners = [{"id": "wavelet3d", "step": peak * 10 ** (-t / 20) * 2.5} for t in STEPS_DB]
    masked, side = curve(scan, [medroi.MedROI(inner, **region) for inner in inners], kept)
    everything = {**region, "threshold": -1e30}
    whole, head = curve(scan, [medroi.MedROI(inner, **everything) for inner in inners], kept)
    found = []
    for target in TARGETS:
        ours, other = bytes_at(masked, target), bytes_at(whole, target)
        if ours is not None and other is not None:
            row: Row = {"set": data_set, "volume": name, "psnr_dB": target}
            row |= {"kept": round(float(kept.mean()), 3), "bytes": round(ours)}
            row |= {"over_whole": round(ours / other, 4), "side_share": round(side / ours, 4)}
            row["payload_over_whole"] = round((ours - side) / (other - head), 4)
            found.append(row)
    return found


def main() -> None:
    """Run everything."""
    args = arguments_of(__doc__, __file__, per_set=2).parse_args()
    rows: list[Row] = []
    for path, array in loaded_scans(args.folder, args.per_set, load):
        scan = crop(array, array[0].size)[0] if array.ndim > 3 else array
        rows += rows_of(path.parent.name, path.name.split(".")[0], scan)
        print(path.name, file=sys.stderr, flush=True)
    write(rows, args.output)


if __name__ == "__main__":
    main()
