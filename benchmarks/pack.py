"""`medroi pack` to its default store and back, beside gzip, zstd and nii2zarr.

    python benchmarks/pack.py FOLDER [--peers N] > benchmarks/pack.csv

Every .nii.gz below FOLDER is packed by default and with --lossless: bytes of each store by those
of the .nii.gz. Times are wall times of one run each, one after another on the same machine:
gzip -6 and pack read the uncompressed file, gunzip and unpack write it. pack and unpack run in a
process that has imported everything and packed a small scan; `startup_s` is what `medroi
--version` with the imports of a pack takes beside it. `peak` is the memory that this process
takes more while it packs, by the bytes of the array.
zstd -19, pigz and nii2zarr (PyPI nifti-zarr) run on the first N scans of each folder where they
are installed; their cells are empty elsewhere. The last rows are sums over each folder, beside
the targets; a target that is missed is said on stderr, and ends with status 1.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COLUMNS = (
    *("scan", "array_nbytes", "nii_gz_nbytes", "store_nbytes", "lossless_nbytes"),
    *("store_by_nii_gz", "lossless_by_nii_gz", "zstd_19_by_nii_gz", "nii2zarr_by_nii_gz"),
    *("gzip_6_s", "pack_s", "pack_by_gzip", "gunzip_s", "unpack_s", "unpack_by_gunzip"),
    *("startup_s", "pigz_s", "zstd_19_s", "nii2zarr_s", "peak"),
)
# Highest figures; the first of sums, the second of every scan.
TARGETS = {
    "mri_head": {"store_by_nii_gz": 0.34, "lossless_by_nii_gz": 0.60},
    "mri_brain": {"lossless_by_nii_gz": 0.36},
}
OF_HEADS = {"pack_by_gzip": 1.5, "unpack_by_gunzip": 1.5, "peak": 2.5}
OF_EVERY_SCAN = {"store_by_nii_gz": 1.0, "lossless_by_nii_gz": 1.0}


def timed(command: list[str], output: Path | None = None) -> float:
    """Seconds that a command takes."""
    begun = time.perf_counter()
    with open(os.devnull if output is None else output, "wb") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def nbytes_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def resident_nbytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def with_peak(work: Callable[[], Any]) -> int:
    """Run something; the memory that the process takes more meanwhile."""
    before, highest, done = resident_nbytes(), 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.is_set():
            highest = max(highest, resident_nbytes())
            done.wait(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return highest - before


def measure_medroi(raw: Path, source: Path, folder: Path) -> dict[str, Any]:
    """Pack and unpack in this process, which does nothing else; for a process of its own."""
    import nibabel
    import numpy as np

    from medroi.cli import main

    small = folder / "small.nii"
    nibabel.save(nibabel.Nifti1Image(np.ones((8, 8, 8), np.int16), np.eye(4)), small)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        main(["pack", str(small), str(folder / "small.ome.zarr")])
        main(["unpack", str(folder / "small.ome.zarr"), str(folder / "small2.nii")])
        store = folder / "raw.ome.zarr"
        peak_nbytes = with_peak(lambda: main(["pack", str(raw), str(folder / "peak.ome.zarr")]))
        begun = time.perf_counter()
        main(["pack", str(raw), str(store)])
        packed = time.perf_counter()
        main(["unpack", str(store), str(folder / "back.nii")])
        unpacked = time.perf_counter()
        for name, options in (("default", []), ("lossless", ["--lossless"])):
            main(["pack", str(source), str(folder / f"{name}.ome.zarr"), *options])
    return {
        "pack_s": packed - begun,
        "unpack_s": unpacked - packed,
        "store_nbytes": nbytes_of(folder / "default.ome.zarr"),
        "lossless_nbytes": nbytes_of(folder / "lossless.ome.zarr"),
        "peak_nbytes": peak_nbytes,
    }


def row_of(source: Path, name: str, folder: Path, *, with_peers: bool) -> dict[str, Any]:
    """Measure one scan."""
    raw = folder / "scan.nii"
    with gzip.open(source) as file:
        raw.write_bytes(file.read())
    row: dict[str, Any] = {"scan": name, "nii_gz_nbytes": source.stat().st_size}
    row["gzip_6_s"] = timed(["gzip", "-6", "-c", str(raw)], folder / "scan.gz")
    row["gunzip_s"] = timed(["gunzip", "-c", str(folder / "scan.gz")], folder / "scan2.nii")
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(raw), str(source), str(folder)],
        stdout=subprocess.PIPE,
        check=True,
    )
    row |= json.loads(done.stdout)
    imports = "import medroi.cli, medroi.scans, medroi.zarr, nibabel"
    row["startup_s"] = timed([sys.executable, "-c", imports])
    row["array_nbytes"] = raw.stat().st_size
    row["peak"] = row.pop("peak_nbytes") / row["array_nbytes"]
    if with_peers:
        if shutil.which("pigz"):
            row["pigz_s"] = timed(["pigz", "-6", "-c", str(raw)])
        if shutil.which("zstd"):
            row["zstd_19_s"] = timed(["zstd", "-q", "-19", "-c", str(raw)], folder / "scan.zst")
            row["zstd_19_by_nii_gz"] = nbytes_of(folder / "scan.zst") / row["nii_gz_nbytes"]
        if importlib.util.find_spec("niizarr"):
            call = "import sys, niizarr; niizarr.nii2zarr(sys.argv[1], sys.argv[2], nb_levels=1)"
            target = folder / "scan.nii.zarr"
            row["nii2zarr_s"] = timed([sys.executable, "-c", call, str(raw), str(target)])
            row["nii2zarr_by_nii_gz"] = nbytes_of(target) / row["nii_gz_nbytes"]
    return with_ratios(row)


def with_ratios(row: dict[str, Any]) -> dict[str, Any]:
    """Add what follows from the other figures."""
    return {
        **row,
        "store_by_nii_gz": row["store_nbytes"] / row["nii_gz_nbytes"],
        "lossless_by_nii_gz": row["lossless_nbytes"] / row["nii_gz_nbytes"],
        "pack_by_gzip": row["pack_s"] / row["gzip_6_s"],
        "unpack_by_gunzip": row["unpack_s"] / row["gunzip_s"],
    }


def sum_of(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Sums over scans, and the highest peak."""
    summed = (
        *("array_nbytes", "nii_gz_nbytes", "store_nbytes", "lossless_nbytes"),
        *("gzip_6_s", "pack_s", "gunzip_s", "unpack_s"),
    )
    found = {column: sum(row[column] for row in rows) for column in summed}
    return with_ratios({"scan": name, **found, "peak": max(row["peak"] for row in rows)})


def missed(row: dict[str, Any], targets: dict[str, float]) -> list[str]:
    """Say which targets a row misses."""
    return [
        f"{row['scan']}: {column} is {row[column]:.3f}, the target {highest}"
        for column, highest in targets.items()
        if row[column] > highest
    ]


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """The cells of a row: four digits that count."""
    return {
        column: f"{value:.4g}" if isinstance(value, float) else value
        for column, value in row.items()
    }


def main() -> int:
    """Measure all scans; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--peers", type=int, default=1 << 30, metavar="N")
    parser.add_argument("--one", nargs=3, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure_medroi(*asked.one)))
        return 0
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    found: dict[str, list[dict[str, Any]]] = {}
    faults: list[str] = []
    for source in sorted(asked.folder.rglob("*.nii.gz")):
        rows = found.setdefault(source.parent.name, [])
        with tempfile.TemporaryDirectory() as folder:
            name = f"{source.parent.name}/{source.name}"
            row = row_of(source, name, Path(folder), with_peers=len(rows) < asked.peers)
        rows.append(row)
        faults += missed(row, OF_EVERY_SCAN)
        table.writerow(cells(row))
        sys.stdout.flush()
    for name, rows in found.items():
        total = sum_of(rows, f"{name}, all {len(rows)}")
        table.writerow(cells(total))
        faults += missed(total, TARGETS.get(name, {}) | (OF_HEADS if name == "mri_head" else {}))
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
