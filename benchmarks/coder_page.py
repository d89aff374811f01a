"""The tables of docs/peers.md, from what coders.py measured.

python benchmarks/coder_page.py

Writes them into the page. The tests compare the page with coders.csv.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from coder_summary import LEVELS
from tables import markdown, mean

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "peers.md"
VIDEO = ("x265", "svt-av1")
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


def settings(rows: list[Row]) -> str:
    """Versions and settings of the peers."""
    return markdown(["peer", "version and settings"], ([r["codec"], r["settings"]] for r in rows))


def tables() -> dict[str, str]:
    """By name."""
    rows = read("coders.csv")
    return {
        "lossless": lossless(rows),
        "lossy": lossy(rows),
        "settings": settings(read("coders_settings.csv")),
    }


def main() -> None:
    """Write the tables where the page has them."""
    page = PAGE.read_text()
    for name, text in tables().items():
        block = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
        page = re.sub(block, lambda m, t=text: f"{m[1]}{t}{m[2]}", page, flags=re.S)
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
