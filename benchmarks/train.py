"""Train or fine-tune inner codec bcmnet or neural2d on a folder of scans.

    python benchmarks/train.py neural2d SCANS -o weights.pth [--start weights.pth]
        [--keep-out PATTERN] [--minutes 60] [--steps 100000] [--device cuda]

SCANS holds NIfTI or FreeSurfer files, also in folders; those whose names match PATTERN (several
may be given) are left for a test. Networks see what the codec would: the region of each scan. The
checkpoint is loaded by the rules for public ones, and named by the same hash:

    MedROI(inner={"id": "neural2d", "weights": Path("weights.pth"), "step": 1.0})
    MedROI(inner={"id": "bcmnet", "weights": Path("weights.pth"), "bit_depth": ...})

The bit depth that bcmnet's weights are for is printed, and has to be given.

Time, honestly. neural2d: a step of 8 windows of 128 x 128 takes two cores of a CPU a quarter of a
second; docs/neural2d.md says what a quarter of an hour gives. bcmnet: a window of 64 x 64
costs about 80 GFLOP per step, forward and backward; a core does a step of four windows in about
6 s, so an hour is 600 steps and gives a sketch, and networks that win anything take tens of
thousands of steps: use a GPU (`--device cuda`).
"""

from __future__ import annotations

import argparse
import collections
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import medroi
from medroi.scans import read_scan
from medroi.training import TrainSettings, bcmnet, neural2d, read_tensors, write_checkpoint

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh")
SHOWN_EVERY_S = 10.0
KEPT_EVERY_S = 300.0
# Side and number of windows, and learning rate, where the command line gives none.
DEFAULTS = {"bcmnet": (64, 4, 1e-4), "neural2d": (128, 8, 1e-3)}


def regions(folder: Path, keep_out: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The region of every scan of a folder but those that are kept out, slices first."""
    paths = [path for path in sorted(folder.rglob("*")) if path.name.endswith(SUFFIXES)]
    for path in paths:
        if any(path.match(pattern) for pattern in keep_out):
            continue
        voxels = np.asarray(read_scan(path).voxels)
        voxels = voxels.reshape(*voxels.shape[:3], -1)[..., 0]
        try:
            codec = medroi.MedROI.fit(voxels, inner="raw", background="auto")
            box = medroi.inspect(codec.encode(voxels)).box
        except medroi.errors.InvalidArgument as error:
            print(f"{path.name}: whole: {error}", flush=True)
            box = [(0, size) for size in voxels.shape]
        inside = tuple(slice(start, stop) for start, stop in box)
        yield path.name, np.ascontiguousarray(voxels[inside].T)


def start_bcmnet(args: argparse.Namespace, settings: TrainSettings) -> Iterator[Any]:
    """Steps of training bcmnet."""
    volumes = []
    for name, region in regions(args.scans, args.keep_out):
        volumes.append(bcmnet.prepare(region, args.base_psnr))
        print(f"{name}: residual deviation {volumes[-1].deviation:.2f}", flush=True)
    check_any(volumes, args)
    depth = args.bit_depth or max(int(volume.exact.max()).bit_length() for volume in volumes)
    print(f"weights for bit_depth={max(1, depth)}", flush=True)
    deviation = float(np.median([volume.deviation for volume in volumes]))
    start = start_tensors(args, lambda: bcmnet.first_tensors(deviation, settings.seed))
    return bcmnet.train(volumes, start, max(1, depth), settings)


def start_neural2d(args: argparse.Namespace, settings: TrainSettings) -> Iterator[Any]:
    """Steps of training neural2d."""
    volumes = [neural2d.prepare(region) for _, region in regions(args.scans, args.keep_out)]
    check_any(volumes, args)
    quality = neural2d.Quality(args.psnr, *args.step_range)
    print(f"{len(volumes)} scans; weights for steps {args.step_range}", flush=True)
    start = start_tensors(args, lambda: neural2d.first_tensors(quality, seed=settings.seed))
    return neural2d.train(volumes, start, quality, settings)


def check_any(volumes: list[Any], args: argparse.Namespace) -> None:
    """End where there is nothing to train on."""
    if not volumes:
        raise SystemExit(f"no scans in {args.scans}")


def start_tensors(args: argparse.Namespace, first: Callable[[], Any]) -> Any:
    """Those of a checkpoint, or new ones."""
    return read_tensors(args.codec, args.start) if args.start else first()


STARTS = {"bcmnet": start_bcmnet, "neural2d": start_neural2d}


def run(steps: Iterator[Any], args: argparse.Namespace) -> str:
    """Train until steps or minutes are over; the hash of the checkpoint."""
    began = shown = kept = time.monotonic()
    seen: dict[str, list[float]] = collections.defaultdict(list)
    tensors: Callable[[], Any] | None = None
    for step, (found, tensors) in enumerate(steps, 1):
        note(seen, found)
        now = time.monotonic()
        if now - shown > SHOWN_EVERY_S or step == args.steps:
            means = ", ".join(f"{np.mean(values):.3f} {name}" for name, values in seen.items())
            print(f"step {step}, {now - began:.0f} s: {means}", flush=True)
            shown = now
            seen.clear()
        if now - kept > KEPT_EVERY_S:
            write_checkpoint(args.codec, tensors(), args.output)
            kept = now
    if tensors is None:
        raise SystemExit("no step was taken: expected --steps of 1 or more")
    return write_checkpoint(args.codec, tensors(), args.output)


def note(seen: dict[str, list[float]], found: Mapping[str, float]) -> None:
    """Add what a step was like."""
    for name, value in found.items():
        seen[name].append(value)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("codec", choices=STARTS)
    parser.add_argument("scans", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="default: CODEC.pth")
    parser.add_argument("--start", type=Path, help="a checkpoint to fine-tune")
    parser.add_argument(
        "--keep-out", action="append", default=[], metavar="PATTERN", help="left for a test"
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=1_000_000, help="if they end before minutes")
    parser.add_argument("--side", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--base-psnr", type=float, default=40.0, help="bcmnet: of the lossy base")
    parser.add_argument("--bit-depth", type=int, help="bcmnet: found in the scans otherwise")
    parser.add_argument("--psnr", type=float, default=42.0, help="neural2d: at the step 1, about")
    parser.add_argument(
        "--step-range", type=float, nargs=2, default=(0.25, 4.0), help="neural2d: steps to serve"
    )
    args = parser.parse_args(arguments)
    args.output = args.output or Path(f"{args.codec}.pth")
    return args


def main(arguments: list[str] | None = None) -> None:
    """Read the scans, train, write the checkpoint."""
    args = parsed(arguments)
    side, batch, learning_rate = DEFAULTS[args.codec]
    settings = TrainSettings(
        args.side or side,
        args.batch or batch,
        args.learning_rate or learning_rate,
        args.steps,
        args.minutes,
        args.seed,
        args.device,
    )
    name = run(STARTS[args.codec](args, settings), args)
    print(f"{args.output}: weights {name}")


if __name__ == "__main__":
    main()
