"""How near predict3d comes to the noise: bits a voxel of each level beside the noise's entropy.

    python benchmarks/limit.py FOLDER -o benchmarks/limit.csv

FOLDER holds one folder per data set, with NIfTI or PNG files; the first --per-set of each are
taken. Every scan is encoded whole, every voxel kept, at each level, and decoded and compared.
Beside the bits stand the estimates of `noise_entropy.py` that the scan allows: from its air, from
repeated volumes, from flat places. The CSV has one row for each scan and estimate; limit.png,
beside it, is the plot; what is printed is the table of docs/limit.md. The status is 1 where a voxel
did not come back.
Needs: nibabel scipy imagecodecs PyWavelets Pillow matplotlib.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from coder_peers import values_and_slices
from coders import load
from noise_entropy import Estimate, from_air, from_flat_places, from_repeats
from scan_sets import arguments_of, scans_of
from tables import markdown, write

from medroi import MedROI

LEVELS = ("fast", "dense", "max")
COLUMNS = ("set", "scan", "shape", "dtype", "fast_bpv", "dense_bpv", "max_bpv", "exact", "estimate")
COLUMNS += ("sigma", "left_share", "alone_bpv", "limit_bpv", "max_over_limit")
Array = np.ndarray[Any, Any]
Row = dict[str, Any]


def is_noisy(path: Path) -> bool:
    """Label maps have no noise."""
    return "label" not in path.name


def numbers_of(array: Array) -> Array:
    """Voxels in stored steps from the least value, as the coder numbers them."""
    indices = values_and_slices(array)[1]
    return indices.reshape(array.shape).astype(np.int32)


def estimates_of(array: Array) -> Iterator[tuple[str, Estimate]]:
    """What the scan allows to estimate; its axes as in memory, slowest first."""
    numbers = numbers_of(array)
    volume = numbers.reshape(-1, *numbers.shape[-2:])
    found = {
        "air": from_air(volume),
        "repeats": from_repeats(numbers) if numbers.ndim == 4 else None,
        # A series has smaller slices, few of which are flat, and says it better by itself.
        "flat places": from_flat_places(volume) if numbers.ndim < 4 else None,
    }
    yield from ((name, estimate) for name, estimate in found.items() if estimate is not None)


def rows_of(path: Path) -> Iterator[Row]:
    """One row for each estimate."""
    array = load(path)
    row: Row = {"set": path.parent.name, "scan": path.name.split(".")[0]}
    row |= {"shape": "x".join(map(str, array.shape)), "dtype": str(array.dtype), "exact": True}
    for level in LEVELS:
        codec = MedROI.lossless({"id": "predict3d", "level": level})
        stream = codec.encode(array)
        row[f"{level}_bpv"] = f"{8 * len(stream) / array.size:.4f}"
        row["exact"] &= np.asarray(codec.decode(stream)).tobytes() == array.tobytes()
    for name, estimate in estimates_of(array):
        yield row | {
            "estimate": name,
            "sigma": f"{estimate.sigma:.3f}",
            "left_share": f"{estimate.left_share:.3f}",
            "alone_bpv": f"{estimate.alone_bpv:.4f}",
            "limit_bpv": f"{estimate.limit_bpv:.4f}",
            "max_over_limit": f"{float(row['max_bpv']) / estimate.limit_bpv:.3f}",
        }


def means_of(rows: list[Row]) -> dict[tuple[str, str], dict[str, float]]:
    """Means over the scans of each data set, by estimate."""
    columns = ("fast_bpv", "dense_bpv", "max_bpv", "alone_bpv", "limit_bpv")
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["estimate"]), []).append(row)
    return {
        key: {name: float(np.mean([float(row[name]) for row in found])) for name in columns}
        | {"n": len(found)}
        for key, found in groups.items()
    }


def table(rows: list[Row]) -> str:
    """The table of docs/limit.md."""
    lines = []
    for (data_set, estimate), mean in means_of(rows).items():
        levels = (f"{mean[f'{level}_bpv']:.2f}" for level in LEVELS)
        noise = (f"{mean[f'{name}_bpv']:.2f}" for name in ("alone", "limit"))
        over = 100 * (mean["max_bpv"] / mean["limit_bpv"] - 1)
        n = int(mean["n"])
        lines.append([data_set, f"{n}", *levels, estimate, *noise, f"{round(over):+d} %"])
    header = ["set", "scans", *LEVELS, "noise by", "alone", "predicted", "max over it"]
    return markdown(header, lines)


def plot(rows: list[Row], path: Path) -> None:
    """One line of marks for each scan."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys((row["set"], row["scan"]) for row in rows))
    place = {name: len(names) - 1 - i for i, name in enumerate(names)}
    figure, axes = pyplot.subplots(figsize=(8, 0.32 * len(names) + 1.4))
    levels = {"fast": ("s", "0.65"), "dense": ("o", "0.35"), "max": ("D", "k")}
    noises = {"air": "tab:blue", "repeats": "tab:green", "flat places": "tab:orange"}
    for level, (marker, color) in levels.items():
        x = [next(float(r[f"{level}_bpv"]) for r in rows if r["scan"] == n[1]) for n in names]
        axes.plot(x, [place[n] for n in names], marker, color=color, ms=4, label=level)
    for estimate, color in noises.items():
        here = [row for row in rows if row["estimate"] == estimate]
        y = np.array([place[row["set"], row["scan"]] for row in here]) - 0.25
        low = [float(row["limit_bpv"]) for row in here]
        high = [float(row["alone_bpv"]) for row in here]
        label = f"noise by {estimate}: predicted to alone"
        axes.hlines(y, low, high, color=color, lw=3, label=label)
        axes.plot(low, y, "|", color=color, ms=8)
    axes.set_yticks(list(place.values()), [f"{data_set}: {name}" for data_set, name in place])
    axes.tick_params(axis="y", labelsize=7)
    axes.set(xlabel="bits a voxel", xscale="log")
    axes.set_xticks([0.5, 1, 2, 3, 4, 6, 8], ["0.5", "1", "2", "3", "4", "6", "8"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> int:
    """Measure the scans; 1 where a voxel did not come back."""
    args = arguments_of(__doc__, __file__, per_set=3).parse_args()
    rows: list[Row] = []
    for path in scans_of(args.folder, args.per_set, is_wanted=is_noisy):
        rows += rows_of(path)
        write(rows, args.output, COLUMNS)
    plot(rows, args.output.with_suffix(".png"))
    print(table(rows))
    return 0 if all(row["exact"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
