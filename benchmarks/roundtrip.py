"""Pack and unpack every scan of a folder, compare the files, and write a CSV.

    python benchmarks/roundtrip.py FOLDER -o benchmarks/roundtrip.csv
    python benchmarks/roundtrip.py FOLDER --inner predict3d -o benchmarks/roundtrip_predict3d.csv

The comparison does not trust `pack`: both files are read with nibabel and compared bit by bit,
inside the reported box with the original, outside it with the background, the header byte by byte.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from medroi.errors import MedROIError
from medroi.scans import PackReport, pack, unpack

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh")
SETTINGS: dict[str, dict[str, Any]] = {"box": {"roi": "box"}, "lossless": {"lossless": True}}
COLUMNS = (
    "file",
    "shape",
    "dtype",
    "setting",
    "background",
    "threshold",
    "kept_share",
    "array_nbytes",
    "stored_nbytes",
    "ratio",
    "miss_rate",
    "exact_inside",
    "background_outside",
    "header_identical",
    "file_identical",
    "refused",
)


def main() -> int:
    """Run over the folder; 1 where anything did not come back as promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--inner", default="zstd", help="a lossless inner codec (default: zstd)")
    args = parser.parse_args()
    sources = sorted(p for p in args.folder.rglob("*") if p.name.lower().endswith(SUFFIXES))
    if not sources:
        parser.error(f"no scans in {args.folder}")
    n_bad = 0
    with args.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for source in sources:
            for setting, options in SETTINGS.items():
                row = measure(source, {"inner": args.inner, **options})
                writer.writerow({"file": source.name, "setting": setting, **row})
                file.flush()
                n_bad += not kept_promise(setting, row)
    print(f"{len(sources)} scans, {len(SETTINGS)} settings, {n_bad} broken promises")
    return 1 if n_bad else 0


def measure(source: Path, options: dict[str, Any]) -> dict[str, Any]:
    """One row: what was kept, what it cost, and what came back."""
    suffix = next(s for s in sorted(SUFFIXES, key=len, reverse=True) if source.name.endswith(s))
    with tempfile.TemporaryDirectory() as folder:
        store, back = Path(folder, "scan.zarr"), Path(folder, f"back{suffix}")
        try:
            report = pack(source, store, **options)
        except MedROIError as error:
            return {"refused": str(error)}
        unpack(store, back)
        return {
            "shape": "x".join(str(size) for size in report.shape),
            "dtype": report.dtype,
            "background": report.background,
            "threshold": "" if report.threshold is None else f"{report.threshold:.6g}",
            "kept_share": f"{report.kept_share:.4f}",
            "array_nbytes": report.array_nbytes,
            "stored_nbytes": report.stored_nbytes,
            "ratio": f"{report.ratio:.3f}",
            "miss_rate": f"{report.miss_rate:.6f}",
            **compare(source, back, report),
        }


def compare(source: Path, back: Path, report: PackReport) -> dict[str, bool]:
    """Compare two files without the help of the code under test."""
    before, after = plain_bytes(source), plain_bytes(back)
    original, decoded = stored_voxels(source), stored_voxels(back)
    inside = np.zeros(original.shape, dtype=bool)
    if report.box is not None:
        inside[tuple(slice(*bounds) for bounds in report.box)] = True
    background = np.asarray(report.background, dtype=original.dtype).tobytes()
    # All bytes that are neither voxels nor behind them.
    n_around = len(before) - original.nbytes
    head = 284 if source.name.lower().endswith((".mgz", ".mgh")) else n_around
    return {
        "exact_inside": original[inside].tobytes() == decoded[inside].tobytes(),
        "background_outside": decoded[~inside].tobytes() == background * int((~inside).sum()),
        "header_identical": before[:head] == after[:head]
        and before[head + original.nbytes :] == after[head + original.nbytes :],
        "file_identical": before == after,
    }


def stored_voxels(path: Path) -> np.ndarray:
    """Read voxels as stored, unscaled."""
    data = nibabel.load(path).dataobj
    return np.asarray(data.get_unscaled() if hasattr(data, "get_unscaled") else data)


def plain_bytes(path: Path) -> bytes:
    """Bytes of a file that may be gzipped."""
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def kept_promise(setting: str, row: dict[str, Any]) -> bool:
    """A refusal is a promise kept in the default setting, and none where nothing is discarded."""
    if "refused" in row:
        return setting == "box"
    exact = row["exact_inside"] and row["background_outside"] and row["header_identical"]
    return bool(exact and (setting != "lossless" or row["file_identical"]))


if __name__ == "__main__":
    sys.exit(main())
