"""Train or fine-tune inner codec bcmnet on a folder of scans.

    python benchmarks/train_bcmnet.py SCANS -o weights.pth [--start weights.pth]
        [--keep-out PATTERN] [--minutes 60] [--steps 100000] [--device cuda]

SCANS holds NIfTI or FreeSurfer files; those whose names match PATTERN are left for a test. The
checkpoint is in the public layout and is loaded as public ones are:

    MedROI(inner=Bcmnet(Path("weights.pth"), bit_depth=...))

The bit depth that the weights are for is printed, and has to be given.

Time, honestly: a window of 64 x 64 costs about 80 GFLOP per step, forward and backward. A core of
a CPU does a step of four windows in about 6 s, so an hour is 600 steps and gives a sketch.
Networks that win anything take tens of thousands of steps: use a GPU (`--device cuda`).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from medroi.scans import read_scan
from medroi.training import (
    Slices,
    TrainSettings,
    first_tensors,
    prepare,
    read_tensors,
    train,
    write_checkpoint,
)

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh")
SHOWN_EVERY_S = 10.0
KEPT_EVERY_S = 300.0


def read_volumes(folder: Path, keep_out: str, base_psnr: float) -> list[Slices]:
    """All scans of a folder but those that are kept out."""
    paths = [path for path in sorted(folder.iterdir()) if path.name.endswith(SUFFIXES)]
    chosen = [path for path in paths if not (keep_out and path.match(keep_out))]
    volumes = []
    for path in chosen:
        scan = read_scan(path)
        volumes.append(prepare(np.ascontiguousarray(scan.voxels.T), base_psnr))
        print(f"{path.name}: residual deviation {volumes[-1].deviation:.2f}", flush=True)
    return volumes


def run(volumes: list[Slices], settings: TrainSettings, args: argparse.Namespace) -> str:
    """Train until steps or minutes are over; the hash of the checkpoint."""
    deviation = float(np.median([volume.deviation for volume in volumes]))
    start = read_tensors(args.start) if args.start else first_tensors(deviation, settings.seed)
    began = shown = kept = time.monotonic()
    bits: list[float] = []
    tensors = start
    for step, (found, tensors) in enumerate(train(volumes, start, settings), 1):
        bits.append(found)
        now = time.monotonic()
        if now - shown > SHOWN_EVERY_S or step == settings.steps:
            print(f"step {step}, {now - began:.0f} s: {np.mean(bits):.3f} bits/voxel", flush=True)
            shown, bits = now, []
        if now - kept > KEPT_EVERY_S:
            write_checkpoint(tensors, args.output)
            kept = now
        if now - began > 60 * args.minutes:
            break
    return write_checkpoint(tensors, args.output)


def main() -> None:
    """Read the scans, train, write the checkpoint."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scans", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("bcmnet.pth"))
    parser.add_argument("--start", type=Path, help="a checkpoint to fine-tune")
    parser.add_argument("--keep-out", default="", help="pattern of file names for a test")
    parser.add_argument("--base-psnr", type=float, default=40.0)
    parser.add_argument("--bit-depth", type=int, help="found in the scans otherwise")
    parser.add_argument("--minutes", type=float, default=60.0)
    for name in ("steps", "side", "batch", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(TrainSettings, name))
    parser.add_argument("--learning-rate", type=float, default=TrainSettings.learning_rate)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    volumes = read_volumes(args.scans, args.keep_out, args.base_psnr)
    if not volumes:
        parser.error(f"no scans in {args.scans}")
    depth = args.bit_depth or max(int(volume.exact.max()).bit_length() for volume in volumes)
    settings = TrainSettings(
        max(1, depth),
        args.side,
        args.batch,
        args.learning_rate,
        args.steps,
        args.seed,
        args.device,
    )
    name = run(volumes, settings, args)
    print(f"{args.output}: weights {name}, for bit_depth={settings.bit_depth}")


if __name__ == "__main__":
    main()
