"""Learned inner codecs: what a volume costs beyond the network, and what a region saves.

    python benchmarks/neural.py [SCAN.nii.gz] [--shape 180 256 256] [-o benchmarks/neural.csv]
        [--codecs tcm hific neural2d] [--precisions float32 float64] [--weights FILE]
        [--device cuda]

Without `--weights`, which goes with one of the codecs, the weights are the recipe of
tests/parity/README.md; of neural2d, those that its training starts from. bcmnet, lossless and
slow, gets the middle 64 x 64 pixels of each slice. The scan is cut and repeated to each shape,
slices first. Times are those of this process's processor, one thread (the clock says nothing on a
busy machine); with `--device cuda`, those of the clock. One line per codec, precision and volume:

full          every voxel is kept; `region`, what MedROI keeps of it by default
slices, side  of what goes through the network, after padding
network_s     inside the modules of the network while encoding (decoding): the bare forward passes;
              bcmnet's network has no modules, so that its cells are empty
encode, decode  whole `MedROI.encode` without verification, whole `MedROI.decode`, over network_s
verified      encoding with verification over encoding without
voxels, time  of the region over those of the full volume; `padded`, pixels after padding: tcm's
              sides are padded to 256 at least, so a region narrower than that saves slices alone
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch

from medroi import MedROI, inspect
from medroi.training import neural2d

HERE = Path(__file__).parent
SCAN = HERE.parent / "examples" / "data" / "head_T1w.nii.gz"
# What sides become before the network sees them: multiples of the first, the second at least.
PADDING = {
    "tcm": (128, 256),
    "tcm_auxt": (256, 256),
    "hific": (16, 80),
    "bcmnet": (2, 2),
    "neural2d": (32, 32),
}
SETTINGS: dict[str, dict[str, Any]] = {"hific": {"acknowledge_generative": True}}
# Those that always decode what they wrote, and those that always compute in double precision.
ALWAYS_VERIFIED, ALWAYS_DOUBLE = {"hific"}, {"bcmnet"}
BCMNET_SIDE = 64
COLUMNS = ("codec", "precision", "device", "volume", "slices", "side", "bytes")
COLUMNS += ("encode_s", "encode_network_s", "encode", "decode_s", "decode_network_s", "decode")
COLUMNS += ("verified", "voxels", "padded", "time")
Row = dict[str, Any]


class NetworkClock:
    """Seconds inside the outermost modules of whatever networks run while it is on."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.seconds, self._now, self._depth, self._start = 0.0, now, 0, 0.0

    def __enter__(self) -> NetworkClock:
        module = torch.nn.modules.module
        self._hooks = [
            module.register_module_forward_pre_hook(self._enter),
            module.register_module_forward_hook(self._leave),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _enter(self, *_: object) -> None:
        if self._depth == 0:
            self._start = self._now()
        self._depth += 1

    def _leave(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += self._now() - self._start


def clock_of(device: str) -> Callable[[], float]:
    """Processor time; on a GPU the clock, once its work is done."""
    if device == "cpu":
        return time.process_time

    def now() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return now


def timed(run: Callable[[], Any], now: Callable[[], float]) -> tuple[Any, float, float]:
    """What a call gives, its seconds, and those inside networks."""
    with NetworkClock(now) as clock:
        started = now()
        result = run()
        return result, now() - started, clock.seconds


def volume_of(scan: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A scan with its slices first, in-plane zeros around it, cut and repeated to a shape."""
    voxels = np.asarray(nibabel.load(scan).dataobj).T
    for axis, size in enumerate(shape[1:], 1):
        extra = max(0, size - voxels.shape[axis])
        widths = [(0, 0)] * 3
        widths[axis] = (extra // 2, extra - extra // 2)
        voxels = np.pad(voxels, widths).take(range(size), axis=axis)
    middle = (voxels.shape[0] - min(voxels.shape[0], shape[0])) // 2
    return np.ascontiguousarray(np.resize(voxels[middle:], shape))


def recipe_weights(name: str, folder: str) -> Path:
    """A checkpoint by the recipe of the parity fixtures, or one that training starts from."""
    path = Path(folder) / f"{name}.npz"
    if name == "neural2d":
        np.savez(path, **neural2d.first_tensors(neural2d.Quality()))
        return path
    sys.path.insert(0, str(HERE.parent / "tests"))
    from parity_recipe import recipe_tensors

    np.savez(path, **recipe_tensors(name))
    return path


def measure(volume: np.ndarray, inner: Row, options: Row) -> Row:
    """Times of one codec on one volume."""
    now = clock_of(inner.get("device", "cpu"))
    always = inner["id"] in ALWAYS_VERIFIED
    quick = MedROI(inner=inner if always else {**inner, "verify": False}, **options)
    quick.encode(volume[:1])  # builds the network
    coded, encode_s, encode_network_s = timed(lambda: quick.encode(volume), now)
    _, decode_s, decode_network_s = timed(lambda: quick.decode(coded), now)
    _, verified_s, _ = timed(lambda: MedROI(inner=inner, **options).encode(volume), now)
    kept = [stop - start for start, stop in inspect(coded).box]
    sides = [padded(side, inner["id"]) for side in kept[1:]]
    return {
        "slices": kept[0],
        "side": "x".join(map(str, sides)),
        "bytes": len(coded),
        "encode_s": encode_s,
        "encode_network_s": encode_network_s or None,
        "encode": encode_s / encode_network_s if encode_network_s else None,
        "decode_s": decode_s,
        "decode_network_s": decode_network_s or None,
        "decode": decode_s / decode_network_s if decode_network_s else None,
        "verified": verified_s / encode_s,
        "voxels": math.prod(kept),
        "padded": kept[0] * math.prod(sides),
        "time": encode_s + decode_s,
    }


def padded(side: int, codec: str) -> int:
    """What a side becomes before the network sees it."""
    multiple, least = PADDING[codec]
    return max(least, -(-side // multiple) * multiple)


def rows(volume: np.ndarray, inner: Row) -> Iterator[Row]:
    """The full volume, then its region."""
    # No voxel has this value, so that all of them are kept.
    absent = int(volume.min()) - 1
    full = measure(volume, inner, {"threshold": None, "background": absent})
    region = measure(volume, inner, {})
    label = {"codec": inner["id"], "precision": inner.get("precision", "float64")}
    label["device"] = inner.get("device", "cpu")
    yield {**label, "volume": "full", **full, "voxels": 1, "padded": 1, "time": 1}
    shares = {key: region[key] / full[key] for key in ("voxels", "padded", "time")}
    yield {**label, "volume": "region", **region, **shares}


def all_rows(volumes: list[np.ndarray], inner: Row) -> Iterator[Row]:
    """The rows of every volume."""
    for volume in volumes:
        yield from rows(volume, inner)


def shown_to(codec: str, volumes: list[np.ndarray]) -> list[np.ndarray]:
    """The volumes, or what bcmnet can code in minutes."""
    if codec != "bcmnet":
        return volumes
    cut = []
    for volume in volumes:
        starts = [max(0, (side - BCMNET_SIDE) // 2) for side in volume.shape[1:]]
        window = tuple(slice(start, start + BCMNET_SIDE) for start in starts)
        cut.append(np.ascontiguousarray(volume[:, window[0], window[1]]))
    return cut


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", nargs="?", type=Path, default=SCAN)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "neural.csv")
    parser.add_argument("--shape", type=int, nargs=3, action="append")
    parser.add_argument("--codecs", nargs="+", choices=list(PADDING), default=list(PADDING))
    parser.add_argument("--precisions", nargs="+", default=["float32"])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    shapes = asked.shape or [(2, 256, 256), (1, 512, 512)]
    volumes = [volume_of(asked.scan, tuple(shape)) for shape in shapes]
    with tempfile.TemporaryDirectory() as folder, asked.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for name in asked.codecs:
            weights = asked.weights or recipe_weights(name, folder)
            for precision in asked.precisions:
                inner = {"id": name, "weights": weights, **SETTINGS.get(name, {})}
                if name not in ALWAYS_DOUBLE:
                    inner |= {"precision": precision, "device": asked.device}
                for row in all_rows(shown_to(name, volumes), inner):
                    rounded = {
                        k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()
                    }
                    writer.writerow(rounded)
                    file.flush()
                    print(rounded)


if __name__ == "__main__":
    main()
