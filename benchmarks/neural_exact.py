"""Learned codecs on crops of scans: the same bytes and voxels, whatever computes them.

    python benchmarks/neural_exact.py SCANS [--codecs bcmnet neural2d] [--weights NAME=FILE]
        [-o benchmarks/neural_exact.csv]

SCANS is a folder of NIfTI or FreeSurfer files, also in folders. Of each scan a small crop from
its middle is coded with one thread and with two, oneDNN on and off, and decoded in a fresh process
by the other arithmetic. Without `--weights` they are the recipe of tests/parity/README.md, and for
neural2d those that training starts from. One line per codec and scan; 1 with any `broken`.

bytes_agree   both ways to encode gave the same bytes
voxels_agree  the fresh process gave the same array
exact         of a lossless codec: that array is the scan's
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from neural import ALWAYS_VERIFIED, SETTINGS, recipe_weights

from medroi import MedROI
from medroi.errors import MedROIError
from medroi.scans import read_scan

HERE = Path(__file__).parent
SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh")
COLUMNS = ("codec", "scan", "dtype", "shape", "bytes", "bytes_agree", "voxels_agree", "exact")
COLUMNS += ("status",)
# Slices, height and width of a crop; bcmnet takes 0.3 ms a voxel each way.
SHAPES = {"bcmnet": (9, 12, 12), "tcm": (1, 64, 64), "hific": (1, 64, 64), "neural2d": (9, 96, 96)}
LOSSLESS = {"bcmnet"}
READER = """
import sys, numpy as np, torch, medroi
torch.set_num_threads(int(sys.argv[1]))
torch.backends.mkldnn.enabled = sys.argv[2] == "1"
np.save(sys.argv[4], medroi.MedROI().decode(open(sys.argv[3], "rb").read()))
"""


def crops(folder: Path, shape: tuple[int, int, int]) -> Iterator[tuple[str, np.ndarray]]:
    """The middle of every scan, slices first, in its own element type."""
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(SUFFIXES):
            voxels = np.asarray(read_scan(path).voxels)
            voxels = voxels.reshape(*voxels.shape[:3], -1)[..., 0].T
            middle = zip(voxels.shape, shape, strict=True)
            starts = [max(0, (size - side) // 2) for size, side in middle]
            window = tuple(slice(at, at + side) for at, side in zip(starts, shape, strict=True))
            yield f"{path.parent.name}/{path.name.split('.')[0]}", voxels[window].copy()


def weights_of(codec: str, given: dict[str, Path], folder: Path) -> Path:
    """A file of weights."""
    return given[codec] if codec in given else recipe_weights(codec, str(folder))


def set_arithmetic(threads: int, onednn: bool) -> None:
    """What PyTorch computes with from now on."""
    torch.set_num_threads(threads)
    torch.backends.mkldnn.enabled = onednn


def measure(codec: str, weights: Path, crop: np.ndarray, folder: Path) -> dict[str, Any]:
    """Encode twice, decode elsewhere."""
    inner = {"id": codec, "weights": weights, **SETTINGS.get(codec, {})}
    if codec not in ALWAYS_VERIFIED:
        inner["verify"] = False
    made = MedROI.lossless(inner=inner) if codec in LOSSLESS else MedROI(inner, threshold=None)
    streams = []
    for threads, onednn in ((1, True), (2, False)):
        set_arithmetic(threads, onednn)
        streams.append(made.encode(crop))
    set_arithmetic(1, True)
    here = np.asarray(made.decode(streams[0]))
    source, target = folder / "stream", folder / "array.npy"
    source.write_bytes(streams[0])
    environment = {**os.environ, "MEDROI_WEIGHTS": str(weights)}
    command = [sys.executable, "-c", READER, "2", "0", str(source), str(target)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"status": f"broken: {done.stderr.strip().splitlines()[-1]}"}
    again = np.load(target)
    found = {
        "bytes": len(streams[0]),
        "bytes_agree": streams[0] == streams[1],
        "voxels_agree": again.tobytes() == here.tobytes(),
        "exact": again.tobytes() == crop.tobytes() if codec in LOSSLESS else "",
    }
    good = found["bytes_agree"] and found["voxels_agree"] and found["exact"] is not False
    return {**found, "status": "ok" if good else "broken"}


def main() -> int:
    """Measure all and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scans", type=Path)
    parser.add_argument("--codecs", nargs="+", choices=SHAPES, default=["bcmnet", "neural2d"])
    parser.add_argument("--weights", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "neural_exact.csv")
    args = parser.parse_args()
    given = {name: Path(path) for name, _, path in (text.partition("=") for text in args.weights)}
    broken = 0
    with tempfile.TemporaryDirectory() as place, args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for codec in args.codecs:
            weights = weights_of(codec, given, Path(place))
            for name, crop in crops(args.scans, SHAPES[codec]):
                about = {"codec": codec, "scan": name, "dtype": str(crop.dtype)}
                about["shape"] = "x".join(map(str, crop.shape))
                try:
                    row = {**about, **measure(codec, weights, crop, Path(place))}
                except MedROIError as error:  # refused before a byte was written
                    row = {**about, "status": f"refused: {error}"}
                broken += row["status"].startswith("broken")
                writer.writerow(row)
                file.flush()
                print(row, flush=True)
    print(f"{broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
