"""What does not come back of scans, under every setting, chunking, binding and way of writing.

    python benchmarks/loss.py FOLDER -o benchmarks/loss.csv
    python benchmarks/loss.py                         generated scans alone, printed

Below FOLDER every NIfTI, FreeSurfer and PNG file is a scan; generated ones of every kind that has
once lost voxels are added. The status is 1 where a loss is silent, or an array is refused.

A voxel is

- *non-background* where it differs bit by bit from the background of the stream that holds it;
- *dropped* where it did not come back bit by bit;
- *bright* where it is non-background and reaches the threshold of the stream, before any opening;
  where the stream used no threshold, every non-background voxel is bright;
- *signal* where it is non-background and reaches the signal level: that of the stream, or of the
  scan where chunks are crops of one region.

A loss is *silent* where

- a voxel was dropped under a setting that promises exactness, or of a stream without a threshold;
- more signal was dropped than max_miss_rate, 0.002, of all of it;
- a connected group (26 neighbours, in a chunk that has a region of its own, or in the scan) of more
  than 8 voxels of signal was dropped;
- the number of dropped bright voxels, or of dropped signal, is not what the streams or the store
  say (`miss_rate`, `n_dropped_signal`);
- an array written in several goes is not that written in one;
- a value of a label map (whole numbers, one value at the faces of the volume, at most 64 values or
  mostly equal neighbours) is gone altogether;
- a NaN came back as a number.

`group_voxels` is the largest connected group of dropped signal, `group_place` the index of its
first voxel, `groups_above_8` the number of groups of more than 8 voxels.

Not everything is run on everything. `plan` says for each row which it belongs to:

- `main`: every scan; numcodecs with the inner codec raw, which loses what any lossless one loses;
  the settings default, mask (roi="mask") and lossless, whole and in chunks of 64; fitted
  (`MedROI.fit`, background="auto") default and mask, whole;
- `more`: generated scans, scans of up to 2^21 voxels and the first of each folder; all chunkings
  (whole, 64, 32, slices), and the other bindings in chunks of 64 (pack also whole);
- `writing`: generated scans and the first of each folder, thinned to 2^16 voxels or fewer
  (`every` is the step); Zarr 3 and HDF5, one chunk, written slice by slice along each axis and in
  blocks of 8, 16 and 11.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loss_counts import FIGURES, figures
from loss_scans import GENERATORS, Scan, generated, n_voxels_of, paths_in, read
from loss_stores import BINDINGS, Fill, at_once, block_by_block, slice_by_slice

from medroi import MedROI
from medroi.errors import MedROIError

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "mask": {"roi": "mask"},
    "lossless": {"lossless": True},
}
FITTED = {"fitted default": {}, "fitted mask": {"roi": "mask"}}
WRITTEN = ("Zarr 3", "HDF5")
MORE_VOXELS, WRITING_VOXELS = 1 << 21, 1 << 16
KEY = (
    "data_set",
    "scan",
    "shape",
    "dtype",
    "every",
    "plan",
    "setting",
    "chunks",
    "binding",
    "order",
)
COLUMNS = (*KEY, *FIGURES, "refused")


@dataclass(frozen=True)
class Work:
    """One scan and what is run on it: the number of a generator, or a file."""

    source: int | Path
    data_set: str
    plans: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One way to store one scan."""

    plan: str
    setting: str
    chunking: str
    binding: str
    options: Mapping[str, Any]
    order: str = "at once"
    fill: Fill = field(default=at_once)


def chunk_shape(scan: Scan, chunking: str) -> tuple[int, ...]:
    """The shape of a chunk; axes beside the volume are not cut."""
    shape, n_axes = scan.voxels.shape, len(scan.axes)
    if chunking == "whole":
        return shape
    if chunking == "slices":
        return (*shape[: n_axes - 1], 1, *shape[n_axes:])
    return (*(min(n, int(chunking)) for n in shape[:n_axes]), *shape[n_axes:])


def main_cases(scan: Scan) -> Iterator[Case]:
    """What every scan goes through."""
    for setting, options in SETTINGS.items():
        for chunking in ("whole", "64"):
            yield Case("main", setting, chunking, "numcodecs", {"inner": "raw", **options})
    for setting, options in FITTED.items():
        codec = MedROI.fit(scan.voxels, inner="raw", background="auto", **options, **axes_of(scan))
        config = {key: value for key, value in codec.get_config().items() if key != "id"}
        yield Case("main", setting, "whole", "numcodecs", config)


def more_cases(scan: Scan) -> Iterator[Case]:
    """All chunkings, and the other bindings."""
    for setting, options in SETTINGS.items():
        for chunking in ("32", "slices"):
            yield Case("more", setting, chunking, "numcodecs", options)
        for binding in BINDINGS:
            if binding == "numcodecs" or (binding == "pack, unpack" and scan.spacing_mm is None):
                continue
            yield Case("more", setting, "64", binding, options)
            if binding == "pack, unpack":
                yield Case("more", setting, "whole", binding, options)


def writing_cases(scan: Scan) -> Iterator[Case]:
    """One chunk, written in one go and in several."""
    ways: dict[str, Fill] = {"at once": at_once}
    ways |= {f"slices of axis {axis}": slice_by_slice(axis) for axis in scan.axes}
    ways |= {f"blocks of {size}": block_by_block(size) for size in (8, 16, 11)}
    for setting, options in SETTINGS.items():
        for binding in WRITTEN:
            for order, fill in ways.items():
                yield Case("writing", setting, "whole", binding, options, order, fill)


PLANS = {"main": main_cases, "more": more_cases, "writing": writing_cases}


def axes_of(scan: Scan) -> dict[str, Any]:
    """The axes of the volume, where there are others behind them."""
    return {"axes": scan.axes} if scan.voxels.ndim > 3 else {}


def rows_of(work: Work) -> list[dict[str, Any]]:
    """All rows of one scan."""
    rows = []
    try:
        scan = (
            read(work.source) if isinstance(work.source, Path) else list(generated())[work.source]
        )
    except Exception as error:  # of any library
        name = getattr(work.source, "name", "")
        return [{"data_set": work.data_set, "scan": name, "refused": str(error) or repr(error)}]
    for plan in work.plans:
        given = scan.thinned(WRITING_VOXELS) if plan == "writing" else scan
        try:
            cases = list(PLANS[plan](given))
        except MedROIError as error:
            cases = []
            rows.append(key_of(work, given, Case(plan, "", "", "", {})) | {"refused": str(error)})
        rows += _rows_of_cases(work, given, cases)
    return rows


def _rows_of_cases(work: Work, scan: Scan, cases: Iterable[Case]) -> Iterator[dict[str, Any]]:
    once = None
    for case in cases:
        row, chunks = key_of(work, scan, case), chunk_shape(scan, case.chunking)
        options = {**case.options, **({} if case.binding == "pack, unpack" else axes_of(scan))}
        try:
            stored = BINDINGS[case.binding](scan, chunks, options, case.fill)
        except Exception as error:  # of any library; the row says why
            yield {**row, "refused": " ".join(str(error).split()) or type(error).__name__}
            continue
        if case.order == "at once":
            once = stored.decoded
        lossless = bool(options.get("lossless", False))
        written = None if case.plan != "writing" else once
        yield {**row, **figures(scan, stored, chunks, lossless=lossless, once=written)}


def key_of(work: Work, scan: Scan, case: Case) -> dict[str, Any]:
    """What tells a row from all others."""
    shape = "x".join(map(str, scan.voxels.shape))
    return {
        "data_set": work.data_set,
        "scan": scan.name,
        "shape": shape,
        "dtype": str(scan.voxels.dtype),
        "every": scan.every,
        "plan": case.plan,
        "setting": case.setting,
        "chunks": case.chunking,
        "binding": case.binding,
        "order": case.order,
    }


def work_in(folder: Path | None) -> list[Work]:
    """The scans of a folder, and the generated ones."""
    found = [Work(number, "generated", tuple(PLANS)) for number in range(len(GENERATORS))]
    seen: set[Path] = set()
    for path in paths_in(folder) if folder else []:
        first = path.parent not in seen
        seen.add(path.parent)
        few = n_voxels_of(path) <= MORE_VOXELS
        plans = ("main", *(("more",) if few or first else ()), *(("writing",) if first else ()))
        found.append(Work(path, path.parent.name, plans))
    return found


def run(work: list[Work], jobs: int) -> list[dict[str, Any]]:
    """All rows, in the order of the scans."""
    with ProcessPoolExecutor(jobs) as pool:
        return [row for found in pool.map(rows_of, work) for row in found]


def main(arguments: list[str] | None = None) -> int:
    """Run over a folder; 1 where a loss is silent or an array was refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="scans; without one, generated alone")
    parser.add_argument("-o", "--output", type=Path, help="the table; without it, printed")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    args = parser.parse_args(arguments)
    work = work_in(args.folder)
    rows = run(work, args.jobs)
    with args.output.open("w", newline="") if args.output else sys.stdout as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    bad = [row for row in rows if row.get("silent") or row.get("refused")]
    for row in bad:
        why = row.get("silent") or f"refused: {row['refused']}"
        print("LOST", *(row.get(name, "") for name in KEY), why, sep=" | ", file=sys.stderr)
    print(f"{len(work)} scans, {len(rows)} rows, {len(bad)} silent losses", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
