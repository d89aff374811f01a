"""Pack, check and unpack a generated volume that is larger than the memory for it.

    python benchmarks/larger_than_memory.py --megabytes 30000 --memory-mib 2048 -o TABLE

Writes a volume of noise with bodies (seeded; uint16, NIfTI without compression), then runs each
step in a process of its own with one thread. The system lets that process have no more private
memory than --memory-mib (RLIMIT_DATA, of which the interpreter and its libraries take their share):
a step that needs more fails. Pages of mapped files are not private, as the system can drop them;
`peak_resident_nbytes` has those that it found room for too (VmHWM). --folder (by default that for
temporary files) needs room for three times the volume, and for four with --steps pack,check,unpack.
What was written is deleted.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

COLUMNS = (
    *("step", "size_x", "size_y", "size_z", "dtype", "source_nbytes", "memory_nbytes"),
    *("stored_nbytes", "kept_share", "n_dropped_signal", "cpu_seconds"),
    *("cpu_mb_per_s", "peak_resident_nbytes"),
)
STEPS = ("pack", "check", "unpack")
# Centre and half axes of the bodies, as shares of the volume, and their brightness.
BODIES = (
    ((0.42, 0.5, 0.5), (0.3, 0.34, 0.42), 900),
    ((0.85, 0.8, 0.3), (0.08, 0.1, 0.15), 400),
    ((0.9, 0.12, 0.7), (0.004, 0.004, 0.004), 1500),
)
HOLE = ((0.42, 0.5, 0.5), (0.1, 0.12, 0.2))
N_NOISES = 16
SPACING_MM = 0.02


def shape_of(nbytes: int) -> tuple[int, int, int]:
    """A shape that is nearly a cube, of so many bytes."""
    edge = round((nbytes / 2) ** (1 / 3))
    return edge, edge, nbytes // 2 // edge**2


def spans(
    shape: tuple[int, int, int], z: int, centre: tuple[float, ...], half: tuple[float, ...]
) -> Iterator[tuple[int, slice]]:
    """Give the rows of a slice that an ellipsoid cuts, and what it has of each."""
    left = 1 - ((z / shape[2] - centre[2]) / half[2]) ** 2
    for y in range(shape[1]):
        square = left - ((y / shape[1] - centre[1]) / half[1]) ** 2
        if square > 0:
            reach = half[0] * square**0.5
            first, last = (round((centre[0] + x) * shape[0]) for x in (-reach, reach))
            yield y, slice(max(first, 0), last)


def slices(shape: tuple[int, int, int], seed: int) -> Iterator[npt.NDArray[np.uint16]]:
    """Give the slices of a volume, y by x; the noise of each is another cut of a few."""
    rng = np.random.default_rng(seed)
    n_y, n_x = shape[1::-1]
    larger = (n_y + 256, n_x + 256)
    air = [rng.rayleigh(20, larger).astype(np.uint16) for _ in range(N_NOISES)]
    texture = [rng.normal(0, 30, larger).astype(np.int16).view(np.uint16) for _ in air]
    for z in range(shape[2]):
        (first, second), (y, x) = rng.integers(N_NOISES, size=2), rng.integers(256, size=2)
        found = air[first][y : y + n_y, x : x + n_x].copy()
        grain = texture[second][x : x + n_y, y : y + n_x]
        for centre, half, brightness in BODIES:
            holes = dict(spans(shape, z, *HOLE)) if half == BODIES[0][1] else {}
            for row, part in spans(shape, z, centre, half):
                hole = holes.get(row)
                parts = (
                    [part]
                    if hole is None
                    else [
                        slice(part.start, hole.start),
                        slice(hole.stop, part.stop),
                    ]
                )
                for one in parts:
                    found[row, one] += grain[row, one] + np.uint16(brightness)
        yield found


def generate(path: Path, shape: tuple[int, int, int], seed: int) -> None:
    """Write the volume as NIfTI, slice by slice."""
    kind = nibabel.Nifti2Header if max(shape) > 32767 else nibabel.Nifti1Header
    header = kind()
    header.set_data_dtype(np.uint16)
    header.set_data_shape(shape)
    header.set_sform(np.diag([SPACING_MM] * 3 + [1]), 1)
    header.set_xyzt_units("mm", "sec")
    header.set_data_offset(header.single_vox_offset)
    with path.open("wb") as file:
        file.write(bytes(header.binaryblock).ljust(header.single_vox_offset, b"\0"))
        for one in slices(shape, seed):
            file.write(one.tobytes())


def resident_peak() -> int:
    """Most resident memory of this process, with pages of mapped files."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def work(step: str, source: Path, store: Path, target: Path, memory_nbytes: int) -> dict[str, Any]:
    """Do one step under the limit; what is known then."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_nbytes, memory_nbytes))
    from medroi.scans import check, pack, unpack

    cpu = time.process_time()
    found: dict[str, Any] = {}
    if step == "pack":
        report = pack(source, store, memory=memory_nbytes, threads=1).to_json()
        found["stored_nbytes"] = report["stored_nbytes"]
        found["kept_share"] = f"{report['n_kept'] / report['n_voxels']:.4f}"
        found["n_dropped_signal"] = report["n_dropped_signal"]
    elif step == "check":
        check(store, memory=memory_nbytes)
    else:
        unpack(store, target, memory=memory_nbytes)
    found["cpu_seconds"] = f"{time.process_time() - cpu:.1f}"
    return {**found, "peak_resident_nbytes": resident_peak()}


def step_alone(*arguments: Any) -> dict[str, Any]:
    """Run `work` in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def measure(
    folder: Path, nbytes: int, memory_nbytes: int, steps: list[str], seed: int
) -> Iterator[dict[str, Any]]:
    """Give a row for each step."""
    shape = shape_of(nbytes)
    source, store, target = (folder / name for name in ("v.nii", "v.ome.zarr", "back.nii"))
    generate(source, shape, seed)
    about = dict(zip(("size_x", "size_y", "size_z"), shape, strict=True))
    about |= {"dtype": "uint16", "source_nbytes": source.stat().st_size}
    for step in steps:
        found = step_alone(step, source, store, target, memory_nbytes)
        megabytes = source.stat().st_size / 1e6 / float(found["cpu_seconds"])
        row = {**about, **found, "step": step, "memory_nbytes": memory_nbytes}
        yield {**row, "cpu_mb_per_s": f"{megabytes:.1f}"}
    if "unpack" in steps:
        check_values(source, target, shape)


def check_values(source: Path, target: Path, shape: tuple[int, int, int]) -> None:
    """Refuse a file in which a voxel is neither as it was nor background."""
    before, after = (
        np.memmap(path, np.uint16, "r", offset=352, shape=shape, order="F")
        for path in (source, target)
    )
    for z in range(shape[2]):
        if not ((after[..., z] == before[..., z]) | (after[..., z] == 0)).all():
            sys.exit(f"slice {z} did not come back")


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--megabytes", type=int, default=1000, help="of the volume")
    parser.add_argument("--memory-mib", type=int, default=512, help="private memory of a step")
    parser.add_argument("--steps", default="pack,check", help=", ".join(STEPS))
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    nbytes, memory_nbytes = asked.megabytes * 10**6, asked.memory_mib << 20
    with (
        tempfile.TemporaryDirectory(prefix="larger-than-memory-", dir=asked.folder) as folder,
        asked.output.open("w", newline="") as file,
    ):
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in measure(Path(folder), nbytes, memory_nbytes, asked.steps.split(","), asked.seed):
            table.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
