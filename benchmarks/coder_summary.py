"""What the rows of coders.py come to: means over data sets beside their targets, and a plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tables import mean

Row = dict[str, Any]

# Largest share of a peer's bytes: geometric mean over data sets, and for each of them.
LOSSLESS_TARGETS: dict[tuple[str, str], tuple[float | None, float | None]] = {
    ("predict3d-dense", "jpegxl-e7"): (0.97, 1.0),
    ("predict3d-dense", "jpegxl-e3"): (0.93, None),
    ("predict3d-fast", "jpegls"): (None, 1.0),
}
LOSSY_TARGETS: dict[tuple[str, float], float] = {
    ("sperr", 40.0): 0.80,
    ("sperr", 45.0): 0.84,
    ("sperr", 50.0): 0.88,
    ("published", 40.0): 0.57,
    ("published", 45.0): 0.62,
    ("published", 50.0): 0.66,
}
LEVELS = ("predict3d-dense", "predict3d-fast", "predict3d-max")
# MB/s of stored bytes, each way.
SPEED_TARGETS = {
    ("lossless", "predict3d-dense"): 25.0,
    ("lossless", "predict3d-fast"): 100.0,
    ("threads", "predict3d-dense"): 45.0,
    ("lossy", "wavelet3d"): 50.0,
}


def by_set(rows: list[Row], column: str) -> dict[str, float]:
    """Geometric mean of a column in each data set."""
    sets = dict.fromkeys(row["set"] for row in rows)
    return {s: mean(row[column] for row in rows if row["set"] == s) for s in sets}


def shares(rows: list[Row], ours: str, peer: str) -> list[Row]:
    """Bytes of ours over those of a peer, volume by volume."""
    known = [r for r in rows if r["kind"] == "lossless" and "bytes" in r]
    nbytes = {(r["volume"], r["codec"]): r["bytes"] for r in known}
    return [
        {"set": r["set"], "share": nbytes[r["volume"], ours] / r["bytes"]}
        for r in known
        if r["codec"] == peer
    ]


def verdict(what: str, found: dict[str, float], goal: float | None, each: float | None) -> Row:
    """One row of bytes: the smaller, the better."""
    over_sets, worst = mean(found.values()), max(found, key=lambda s: found[s])
    met = (goal is None or over_sets <= goal) and (each is None or found[worst] <= each)
    return {
        "what": what,
        "mean_over_sets": round(over_sets, 4),
        "target": goal,
        "worst_set": worst,
        "worst": round(found[worst], 4),
        "worst_target": each,
        "met": "" if goal is None and each is None else "yes" if met else "no",
    }


def byte_rows(rows: list[Row]) -> Iterator[Row]:
    """Bytes of ours over those of each peer."""
    peers = [r["codec"] for r in rows if r["kind"] == "lossless" and "bytes" in r]
    for ours in LEVELS:
        for peer in dict.fromkeys(p for p in peers if not p.startswith("predict3d")):
            goal, each = LOSSLESS_TARGETS.get((ours, peer), (None, None))
            found = by_set(shares(rows, ours, peer), "share")
            yield verdict(f"bytes {ours} / {peer}", found, goal, each)
    lossy = [r for r in rows if r["kind"] == "lossy" and "ours_over_peer" in r]
    for peer in dict.fromkeys(r["codec"] for r in lossy if r["codec"] != "wavelet3d"):
        for target in dict.fromkeys(r["target_dB"] for r in lossy):
            here = [r for r in lossy if (r["codec"], r["target_dB"]) == (peer, target)]
            if here:
                found, goal = by_set(here, "ours_over_peer"), LOSSY_TARGETS.get((peer, target))
                yield verdict(f"bytes wavelet3d / {peer} at {target:g} dB", found, goal, None)


def behind(rows: list[Row]) -> list[Row]:
    """Volume by volume, every peer that is smaller than ours.

    Lossless: than predict3d at each of its levels. Lossy: than wavelet3d, at each PSNR.
    """
    found = []
    for row in rows:
        if row["kind"] == "lossless" and "bytes" in row and row["codec"] not in LEVELS:
            here = [r for r in rows if r["kind"] == "lossless" and r["volume"] == row["volume"]]
            ours = {r["codec"]: r["bytes"] for r in here if r["codec"] in LEVELS}
            shares = {level: nbytes / row["bytes"] for level, nbytes in ours.items()}
        elif row["kind"] == "lossy" and "ours_over_peer" in row and row["codec"] != "wavelet3d":
            shares = {f"wavelet3d at {row['target_dB']:g} dB": row["ours_over_peer"]}
        else:
            continue
        found += [
            {"set": row["set"], "volume": row["volume"], "peer": row["codec"], "ours": ours}
            | {"ours_over_peer": round(share, 4)}
            for ours, share in shares.items()
            if share > 1
        ]
    return found


def speed_rows(rows: list[Row]) -> Iterator[Row]:
    """MB/s: the larger, the better; the slowest data set is what a target is held against.

    Of arrays in one part, which one thread codes, none are counted for two.
    """
    kept = [r for r in rows if r.get("target_dB") in (None, 45.0) and r.get("parts") != 1]
    for (kind, codec), goal in SPEED_TARGETS.items():
        here = [r for r in kept if (r["kind"], r["codec"]) == (kind, codec)]
        for column in ("encode_MBps", "decode_MBps", "search_MBps"):
            found = by_set([r for r in here if column in r], column)
            if not found:
                continue
            slowest = min(found, key=lambda s: found[s])
            wanted = None if column == "search_MBps" else goal
            yield {
                "what": f"{column} {codec}" + (", two threads" if kind == "threads" else ""),
                "mean_over_sets": round(mean(found.values()), 1),
                "worst_set": slowest,
                "worst": round(found[slowest], 1),
                "worst_target": wanted,
                "met": "" if wanted is None else "yes" if found[slowest] >= wanted else "no",
            }


def summary(rows: list[Row]) -> list[Row]:
    """All means beside their targets."""
    return [*byte_rows(rows), *speed_rows(rows)]


def plot(all_curves: dict[str, dict[str, Any]], path: Path) -> None:
    """Rate-distortion, one panel per volume."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(4, len(all_curves))
    n_rows = -(-len(all_curves) // columns)
    figure, axes = pyplot.subplots(n_rows, columns, figsize=(4 * columns, 3.4 * n_rows))
    for axis, (name, curves) in zip(np.ravel(axes), all_curves.items(), strict=False):
        for codec, points in curves.items():
            x, y = zip(*points, strict=True)
            style = {"lw": 2.5, "color": "k"} if codec == "wavelet3d" else {"lw": 1}
            axis.plot(np.array(y) / 1e3, x, marker=".", label=codec, **style)
        axis.set(xscale="log", ylim=(30, 60), title=name, xlabel="kB", ylabel="PSNR, dB")
        axis.grid(alpha=0.3)
    for axis in np.ravel(axes)[len(all_curves) :]:
        axis.set_axis_off()
    np.ravel(axes)[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
