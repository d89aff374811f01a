"""The tables of docs/peers.md, from what coders.py and lossy_curves.py measured.

python benchmarks/coder_page.py

Writes them into the page. The tests compare the page with the CSV files.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from coder_summary import LEVELS
from curves import bytes_at
from tables import markdown, mean

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "peers.md"
VIDEO = ("x265", "svt-av1")
TARGETS = (35.0, 40.0, 45.0, 50.0)
PEERS = (*VIDEO, "sperr", "sz3", "jpeg2000")
Row = dict[str, str]


def read(name: str) -> list[Row]:
    """A table of coders.py."""
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def lossless(rows: list[Row]) -> str:
    """Of each volume the smallest peer, and the bytes of ours over its bytes."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if row["kind"] == "lossless" and row["bytes"]:
            sizes = found.setdefault((row["set"], row["volume"]), {})
            sizes[row["codec"]] = int(row["bytes"])
    lines = []
    for (data_set, volume), sizes in found.items():
        best, nbytes = min(
            ((codec, n) for codec, n in sizes.items() if codec not in LEVELS), key=lambda x: x[1]
        )
        shares = [f"{sizes[level] / nbytes:.3f}" for level in LEVELS]
        lines.append([data_set, volume, best, f"{nbytes}", *shares])
    header = ["set", "volume", "smallest peer", "its bytes"]
    return markdown([*header, *(level.removeprefix("predict3d-") for level in LEVELS)], lines)


def shares(rows: list[Row], peer: str, target: str) -> dict[str, float]:
    """Bytes of wavelet3d over those of a peer at one PSNR: geometric mean in each data set."""
    sets: dict[str, list[float]] = {}
    for row in rows:
        is_asked = row["kind"] == "lossy" and (row["codec"], row["target_dB"]) == (peer, target)
        if is_asked and row["ours_over_peer"]:
            sets.setdefault(row["set"], []).append(float(row["ours_over_peer"]))
    return {data_set: mean(values) for data_set, values in sets.items()}


def lossy(rows: list[Row]) -> str:
    """Bytes of wavelet3d over those of each peer, by PSNR and data set."""
    here = [row for row in rows if row["kind"] == "lossy"]
    sets, targets = (list(dict.fromkeys(row[key] for row in here)) for key in ("set", "target_dB"))
    lines = []
    for peer in PEERS:
        for target in targets:
            found = shares(rows, peer, target)
            cells = [f"{found[s]:.2f}" if s in found else "-" for s in sets]
            lines.append([peer, f"{float(target):g} dB", *cells])
    return markdown(["peer", "PSNR", *sets], lines)


def least_bytes(
    rows: list[Row], coder: str, arounds: tuple[str, ...]
) -> dict[tuple[str, str], dict[float, float]]:
    """Of each volume, and at each PSNR that a curve reaches, the fewest bytes of a coder.

    `arounds` are the curves that count, by what lies around the voxels that count.
    """
    curves: dict[tuple[str, str], dict[tuple[str, str], list[tuple[float, int]]]] = {}
    for row in rows:
        if row["coder"] == coder and row["around"] in arounds and row["bytes"]:
            of_volume = curves.setdefault((row["set"], row["volume"]), {})
            points = of_volume.setdefault((row["around"], row["order"]), [])
            points.append((float(row["psnr_dB"]), int(row["bytes"])))
    return {
        volume: {
            target: min(reached)
            for target in TARGETS
            if (
                reached := [
                    found
                    for points in of_volume.values()
                    if (found := bytes_at(sorted(points), target)) is not None
                ]
            )
        }
        for volume, of_volume in curves.items()
    }


def without_air(
    ours: list[Row], peers: list[Row], arounds: tuple[str, ...] = ("cleared", "smooth")
) -> dict[float, dict[str, float]]:
    """Bytes of wavelet3d, speed small, over those of x265 where the air counts for nobody.

    By PSNR and data set, geometric means over the volumes that both have.
    """
    small = least_bytes(ours, "small", arounds)
    x265 = least_bytes(peers, "x265", ("cleared", "smooth"))
    found: dict[float, dict[str, float]] = {}
    for target in TARGETS:
        sets: dict[str, list[float]] = {}
        for volume in small.keys() & x265.keys():
            if target in small[volume] and target in x265[volume]:
                share = small[volume][target] / x265[volume][target]
                sets.setdefault(volume[0], []).append(share)
        found[target] = {data_set: mean(sets[data_set]) for data_set in sorted(sets)}
    return found


def small(found: dict[float, dict[str, float]]) -> str:
    """The shares of `without_air`, and their geometric mean over data sets."""
    sets = list(found[TARGETS[0]])
    lines = [
        [f"{target:g} dB", *(f"{of[s]:.2f}" for s in sets), f"{mean(of.values()):.2f}"]
        for target, of in found.items()
    ]
    return markdown(["PSNR", *sets, "geometric mean"], lines)


def settings(rows: list[Row]) -> str:
    """Versions and settings of the peers."""
    return markdown(["peer", "version and settings"], ([r["codec"], r["settings"]] for r in rows))


def tables() -> dict[str, str]:
    """By name."""
    rows = read("coders.csv")
    ours, peers = read("lossy_ours.csv"), read("lossy_x265.csv")
    return {
        "lossless": lossless(rows),
        "lossy": lossy(rows),
        "small": small(without_air(ours, peers)),
        "small-mask": small(without_air(ours, peers, ("mask",))),
        "settings": settings(read("coders_settings.csv")),
    }


def main() -> None:
    """Write the tables where the page has them."""
    page = PAGE.read_text()
    for name, text in tables().items():
        block = rf"(<!-- {name} -->)\n.*?(<!-- /{name} -->)"
        page = re.sub(block, lambda m, t=text: f"{m[1]}\n{t}\n{m[2]}", page, flags=re.S)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
