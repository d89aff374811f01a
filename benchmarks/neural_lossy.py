"""Inner codec neural2d against transform codecs at the same error, on scans that it has not seen.

    python benchmarks/neural_lossy.py WEIGHTS SCAN.nii.gz... [--steps 0.25 1 4] [--slices 48]
        [-o OUTPUT.csv]

WEIGHTS is a checkpoint of benchmarks/train.py; the scans must not have been trained on. Of each
scan the middle slices are taken, and one region for all codecs. PSNR is over the foreground mask,
its peak the range inside. Each peer's own setting is searched until its PSNR is within 0.05 dB of
neural2d's; a line whose `psnr_db` is farther off did not get there. `share` is bytes over those of
wavelet3d: less is better. Times are processor seconds of this process, one thread, of whole
`MedROI.encode` and `decode`, without neural2d's own check of what it wrote.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

import medroi
from medroi import metrics, roi

HERE = Path(__file__).parent
COLUMNS = ("scan", "step", "codec", "psnr_db", "bytes", "bits_per_voxel", "share")
COLUMNS += ("encode_s", "decode_s")
TOLERANCE_DB = 0.05
# Configuration, the setting that is searched, and what it does to PSNR.
PEERS: tuple[tuple[dict[str, Any], str, int], ...] = (
    ({"id": "wavelet3d"}, "step", -1),
    ({"id": "jpeg2000"}, "rate", -1),
    ({"id": "imagecodecs_sperr", "mode": "psnr"}, "level", 1),
)
STARTS = {"step": 10.0, "rate": 20.0, "level": 40.0}


class Scan:
    """The middle of a scan, its region, and the voxels and the peak of all figures."""

    def __init__(self, path: Path, n_slices: int) -> None:
        voxels = np.asarray(nibabel.load(path).dataobj)
        start = max(0, (voxels.shape[2] - n_slices) // 2)
        self.voxels = np.asfortranarray(voxels[:, :, start : start + n_slices])
        self.name = path.name.split(".")[0]
        fitted = medroi.MedROI.fit(self.voxels, inner="raw", background="auto").get_config()
        self.region = {key: value for key, value in fitted.items() if key not in ("id", "inner")}
        options = roi.RegionOptions(background=fitted["background"], axes=(0, 1, 2))
        bits = roi.background_bits(self.voxels, options)
        self.mask = roi.foreground_mask(self.voxels, options, bits)
        self.peak = metrics.tissue_peak(self.voxels, self.mask)

    def measure(self, inner: dict[str, Any]) -> dict[str, Any]:
        """One codec at one setting."""
        codec = medroi.MedROI(inner, **self.region)
        began = time.process_time()
        stream = codec.encode(self.voxels)
        encoded = time.process_time()
        decoded = codec.decode(stream)
        ended = time.process_time()
        return {
            "scan": self.name,
            "codec": inner["id"],
            "psnr_db": metrics.psnr(self.voxels, decoded, self.peak, self.mask),
            "bytes": len(stream),
            "bits_per_voxel": metrics.bits_per_voxel(len(stream), self.voxels.size),
            "encode_s": encoded - began,
            "decode_s": ended - encoded,
        }


def matched(scan: Scan, peer: tuple[dict[str, Any], str, int], wanted_db: float) -> dict[str, Any]:
    """The peer at the setting that comes nearest to a PSNR."""
    config, name, sign = peer
    setting, best = STARTS[name], None
    low, high = (1.0, 200.0) if sign > 0 else (math.log(1e-4), math.log(1e5))
    place = setting if sign > 0 else math.log(setting)
    for _ in range(24):
        value = place if sign > 0 else math.exp(place)
        row = scan.measure({**config, name: value})
        miss = row["psnr_db"] - wanted_db
        if best is None or abs(miss) < abs(best["psnr_db"] - wanted_db):
            best = row
        if abs(miss) <= TOLERANCE_DB / 2:
            break
        low, high = (low, place) if miss * sign > 0 else (place, high)
        # A dB of PSNR is about a dB of level, and 0.115 of a step's logarithm.
        guess = place - miss if sign > 0 else place + 0.115 * miss
        place = guess if low < guess < high else (low + high) / 2
    assert best is not None
    return best


def rows(scan: Scan, weights: Path, steps: list[float]) -> Iterator[dict[str, Any]]:
    """neural2d at each step, and its peers at the same error."""
    for step in steps:
        learned = {"id": "neural2d", "weights": weights, "step": step, "verify": False}
        found = [scan.measure(learned)]
        found += [matched(scan, peer, found[0]["psnr_db"]) for peer in PEERS]
        for row in found:
            yield {**row, "step": step, "share": row["bytes"] / found[1]["bytes"]}


def main() -> None:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.25, 0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--slices", type=int, default=48)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "neural_lossy.csv")
    args = parser.parse_args()
    with args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for path in args.scans:
            for row in rows(Scan(path, args.slices), args.weights, args.steps):
                shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}
                writer.writerow(shown)
                file.flush()
                print(shown, flush=True)


if __name__ == "__main__":
    main()
