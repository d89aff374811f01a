"""Learned lossless coding against predict3d and JPEG XL on one small crop of a scan.

    python benchmarks/neural_lossless.py WEIGHTS BIT_DEPTH [SCAN.nii.gz] [-o OUTPUT.csv]

WEIGHTS is a checkpoint of bcmnet that has not seen the scan, BIT_DEPTH what it was trained for
(benchmarks/train.py prints it). Times are processor seconds of this process, one thread, of
whole `MedROI.encode` and `decode`, without bcmnet's own check of what it wrote. `bits` and `time`
are ratios to predict3d: less is better in all columns.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medroi import MedROI

HERE = Path(__file__).parent
SCAN = HERE.parent / "examples" / "data" / "head_T1w.nii.gz"
COLUMNS = ("codec", "bits_per_voxel", "encode_s", "decode_s", "bits", "time")


def middle(scan: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The middle of a scan, axial slices first."""
    starts = [(size - side) // 2 for size, side in zip(scan.T.shape, shape, strict=True)]
    window = tuple(slice(at, at + side) for at, side in zip(starts, shape, strict=True))
    return np.ascontiguousarray(scan.T[window])


def measure(crop: np.ndarray, inner: dict[str, Any]) -> dict[str, Any]:
    """Bits per voxel and seconds of one inner codec; what comes back is compared."""
    codec = MedROI.lossless(inner=inner)
    began = time.process_time()
    stream = codec.encode(crop)
    encoded = time.process_time()
    again = codec.decode(stream)
    ended = time.process_time()
    if again.tobytes() != crop.tobytes():
        raise RuntimeError(f"{inner['id']} is not lossless")
    return {
        "codec": inner["id"],
        "bits_per_voxel": 8 * len(stream) / crop.size,
        "encode_s": encoded - began,
        "decode_s": ended - encoded,
    }


def main() -> None:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("bit_depth", type=int)
    parser.add_argument("scan", type=Path, nargs="?", default=SCAN)
    parser.add_argument("--shape", type=int, nargs=3, default=(9, 80, 80))
    parser.add_argument("-o", "--output", type=Path, default=HERE / "neural_lossless.csv")
    args = parser.parse_args()
    crop = middle(np.asarray(nibabel.load(args.scan).dataobj), tuple(args.shape))
    learned = {"weights": args.weights, "bit_depth": args.bit_depth, "verify": False}
    rows = [
        measure(crop, {"id": "predict3d"}),
        measure(crop, {"id": "imagecodecs_jpegxl", "effort": 7, "lossless": True}),
        measure(crop, {"id": "bcmnet", **learned}),
    ]
    with args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in rows:
            seconds = row["encode_s"] + row["decode_s"]
            row["bits"] = row["bits_per_voxel"] / rows[0]["bits_per_voxel"]
            row["time"] = seconds / (rows[0]["encode_s"] + rows[0]["decode_s"])
            writer.writerow({k: f"{v:.4g}" if k != "codec" else v for k, v in row.items()})
    print(args.output.read_text(), end="")


if __name__ == "__main__":
    main()
