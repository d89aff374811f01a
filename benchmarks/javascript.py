"""What decoding costs in WebAssembly, against the same kernel in Python.

Writes CSV to standard output; each argument is a NIfTI file:
python benchmarks/javascript.py scans/*.nii.gz > benchmarks/javascript.csv

Needs node, and what scripts/check_js.sh builds. Streams are of one 64 x 64 x 64 chunk from the
middle of a scan and of the whole scan, with roi="mask". `native_s` is `MedROI.decode` with one
thread; `simd_s` and `plain_s` are `decode` of the npm package in node. All are seconds of the
processor, the fewest of rounds in which every one took its turn, each a lot of decodings, and the
ratios are of these. Node's are of the whole process: its garbage collector is among them.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np

from medroi import MedROI

HERE = Path(__file__).parent
ROUNDS = 3
CHUNK = 64
WARM_S = 0.1
INNERS = {
    "raw": "raw",
    "zstd": "zstd",
    "deflate": "deflate",
    "predict3d fast": {"id": "predict3d", "level": "fast"},
    "predict3d dense": "predict3d",
    "wavelet3d 60 dB": {"id": "wavelet3d", "psnr": 60.0},
}
HEADER = ("scan", "part", "inner", "nbytes", "stored_nbytes", "native_s", "simd_s", "plain_s")
RATIOS = ("simd_ratio", "plain_ratio")


def middle(volume: np.ndarray) -> np.ndarray:
    """One chunk from the middle."""
    starts = [max(0, (size - CHUNK) // 2) for size in volume.shape[:3]]
    part = volume[tuple(slice(start, start + CHUNK) for start in starts)]
    return np.asfortranarray(part if part.ndim == 3 else part[..., 0])


def native_s(stream: bytes) -> float:
    """Seconds of one decoding, of a lot that takes about a tenth of a second."""
    codec = MedROI()
    n, stop = 0, time.perf_counter() + WARM_S
    while n < 3 or time.perf_counter() < stop:
        codec.decode(stream)
        n += 1
    start = time.process_time()
    for _ in range(n):
        codec.decode(stream)
    return (time.process_time() - start) / n


def node_s(file: Path) -> tuple[float, float]:
    """Seconds of one decoding in node, with SIMD and without."""
    ran = subprocess.run(
        ["node", HERE / "javascript.mjs", file], capture_output=True, text=True, check=True
    )
    simd, plain = map(float, ran.stdout.split())
    return simd, plain


def main(files: list[str]) -> None:
    """Measure every scan."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow((*HEADER, *RATIOS))
    for name in files:
        volume = np.asanyarray(nibabel.load(name).dataobj)
        for part, array in (("chunk", middle(volume)), ("scan", np.asfortranarray(volume))):
            for label, inner in INNERS.items():
                stream = MedROI(inner, roi="mask").encode(array)
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder, "stream")
                    file.write_bytes(stream)
                    rounds = [(native_s(stream), *node_s(file)) for _ in range(ROUNDS)]
                best = [min(times) for times in zip(*rounds, strict=True)]
                rows.writerow(
                    (
                        Path(name).name,
                        part,
                        label,
                        array.nbytes,
                        len(stream),
                        *(f"{seconds:.6f}" for seconds in best),
                        *(f"{seconds / best[0]:.2f}" for seconds in best[1:]),
                    )
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
