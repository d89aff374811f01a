"""SirenMRI: what its fast setting gains, and what plain transform codecs reach at its sizes.

    python benchmarks/siren.py [SCAN.nii.gz] [--faithful-steps 100 300] [-o benchmarks/siren.csv]

Two tables in one file, both of cubes from the middle of the scan, one thread, processor time of
this process (the clock says nothing on a busy machine), whole `MedROI.encode`:

time  "faithful" with a number of steps, then "fast" of two widths with the fewest steps that
      reach its PSNR. `ratio` is the processor time of faithful over that of fast. The published
      number of steps, 2000, takes over half an hour on a cube of 32.
rate  "fast" with networks of several widths, then wavelet3d and jpeg2000 at the same bytes.

PSNR is over all voxels of the cube, against its range. Needs torch, nibabel and OpenJPEG.
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

from medroi import MedROI
from medroi.errors import InvalidArgument

HERE = Path(__file__).parent
SCAN = HERE.parent / "examples" / "data" / "head_T1w.nii.gz"
COLUMNS = ("table", "side", "codec", "steps", "hidden", "bytes", "psnr", "encode_s", "decode_s")
COLUMNS += ("ratio",)
Row = dict[str, Any]


def cube(scan: np.ndarray, side: int) -> np.ndarray:
    """The middle of a scan."""
    starts = [(size - side) // 2 for size in scan.shape]
    return np.ascontiguousarray(scan[tuple(slice(start, start + side) for start in starts)])


def measure(crop: np.ndarray, inner: dict[str, Any]) -> Row:
    """Bytes, PSNR and processor seconds of one inner codec."""
    codec = MedROI(inner=inner, threshold=None)
    started = time.process_time()
    coded = codec.encode(crop)
    encoded = time.process_time()
    decoded = codec.decode(coded)
    ended = time.process_time()
    error = np.mean((decoded.astype(np.float64) - crop) ** 2)
    span = float(crop.max()) - float(crop.min())
    return {
        "side": crop.shape[0],
        "codec": " ".join(str(inner[key]) for key in ("id", "setting") if key in inner),
        "steps": inner.get("steps", ""),
        "hidden": inner.get("hidden", ""),
        "bytes": len(coded),
        "psnr": round(10 * math.log10(span**2 / error), 2),
        "encode_s": round(encoded - started, 2),
        "decode_s": round(ended - encoded, 2),
    }


def siren(**settings: Any) -> dict[str, Any]:
    """A configuration of sirenmri."""
    return {"id": "sirenmri", "progress": False, **settings}


def shortest(crop: np.ndarray, psnr: float, hidden: int, start: int) -> Row:
    """The fast training of the fewest steps, to about 10 %, that reaches a PSNR."""
    fails, steps, best = 0, start, None
    while best is None or best["steps"] > 1.1 * fails + 1:
        found = measure(crop, siren(setting="fast", hidden=hidden, steps=steps))
        print("trial", found, flush=True)
        if found["psnr"] >= psnr:
            best = found
        else:
            fails = steps
        steps = round(1.4 * steps) if best is None else (best["steps"] + fails) // 2
    return best


def faithful(crop: np.ndarray, steps: int, measured: list[Row]) -> Row:
    """One faithful training, unless an earlier run measured it."""
    for row in measured:
        if (row["side"], row["steps"]) == (str(crop.shape[0]), str(steps)):
            return {**row, "psnr": float(row["psnr"]), "encode_s": float(row["encode_s"])}
    found = measure(crop, siren(setting="faithful", steps=steps))
    return {"table": "time", **found}


def times(crop: np.ndarray, asked: argparse.Namespace) -> Iterator[Row]:
    """Faithful trainings, each followed by the shortest fast ones that are as good."""
    measured: list[Row] = []
    if asked.reuse:
        with asked.reuse.open(newline="") as file:
            measured = [row for row in csv.DictReader(file) if row["codec"].endswith("faithful")]
    for steps in asked.faithful_steps:
        slow = faithful(crop, steps, measured)
        yield slow
        for hidden in asked.fast_widths:
            quick = shortest(crop, slow["psnr"], hidden, max(10, steps // 3))
            ratio = round(slow["encode_s"] / quick["encode_s"], 1)
            yield {"table": "time", **quick, "ratio": ratio}


def rates(crop: np.ndarray, widths: list[int], steps: int) -> Iterator[Row]:
    """Networks of some widths, and transform codecs at the bytes of each."""
    for hidden in widths:
        network = measure(crop, siren(setting="fast", hidden=hidden, steps=steps))
        yield {"table": "rate", **network}
        rate = crop.nbytes / network["bytes"]
        for name in ("wavelet3d", "jpeg2000"):
            try:
                yield {"table": "rate", **measure(crop, {"id": name, "rate": rate})}
            except InvalidArgument as error:
                print(f"{name} at a rate of {rate:.1f}: {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", nargs="?", type=Path, default=SCAN)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "siren.csv")
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--faithful-steps", type=int, nargs="*", default=[100])
    parser.add_argument("--fast-widths", type=int, nargs="*", default=[192, 256])
    parser.add_argument("--reuse", type=Path, help="take faithful rows from this file")
    parser.add_argument("--rate-side", type=int, default=64)
    parser.add_argument("--widths", type=int, nargs="*", default=[32, 64, 128, 256])
    parser.add_argument("--rate-steps", type=int, default=1000)
    asked = parser.parse_args()
    scan = np.asarray(nibabel.load(asked.scan).dataobj)
    with asked.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        rows = [
            times(cube(scan, asked.side), asked),
            rates(cube(scan, asked.rate_side), asked.widths, asked.rate_steps),
        ]
        for table in rows:
            for row in table:
                writer.writerow(row)
                file.flush()
                print(row)


if __name__ == "__main__":
    main()
