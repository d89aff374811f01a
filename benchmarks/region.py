"""Cost of finding a region, as a multiple of a memcpy of the same buffer. CSV to stdout.

Every ratio comes from one run: the copy and the searches take turns, and the least of the rounds
of each is compared. "missed counted" has a speck outside the box, so that all tissue is counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi.roi import find_background, find_region

Array = npt.NDArray[Any]


def phantom(edge: int, dtype: str, speck: bool) -> Array:
    """A noisy head: an ellipsoid of tissue in Rician air; `speck` adds one bright corner voxel."""
    rng = np.random.default_rng(1)
    grid = np.linspace(-1, 1, edge, dtype="f4")
    radius = grid[:, None, None] ** 2 + grid[:, None] ** 2 + grid**2
    noise = np.abs(rng.standard_normal((edge,) * 3, dtype="f4"))
    head = np.where(radius < 0.6, 60 + 15 * noise, 2 * noise).astype(dtype)
    if speck:
        head[0, 0, 0] = 100
    return head


def fastest(calls: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Seconds of the fastest of `rounds` of each call; the calls take turns."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def measure(edge: int, dtype: str, rounds: int) -> list[tuple[str, float]]:
    """Name and ratio of each search of one array."""
    clean, specked = phantom(edge, dtype, False), phantom(edge, dtype, True)
    copy = np.empty_like(clean)
    swapped = clean.astype(clean.dtype.newbyteorder())
    calls: dict[str, Callable[[], Any]] = {
        "memcpy": lambda: np.copyto(copy, clean),
        "mean": lambda: find_region(clean),
        "mean, missed counted": lambda: find_region(specked),
        "mean, grown": lambda: find_region(specked, max_miss_rate=0),
        "mean, dark": lambda: find_region(clean, polarity="dark"),
        "mean, other byte order": lambda: find_region(swapped),
        "number": lambda: find_region(clean, threshold=20),
        "otsu": lambda: find_region(clean, threshold="otsu"),
        "lossless": lambda: find_region(clean, threshold=None),
        "background": lambda: find_background(clean),
    }
    seconds = fastest(list(calls.values()), rounds)
    return [(name, s / seconds[0]) for name, s in zip(calls, seconds, strict=True)]


def main() -> None:
    """Print one line per array and search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--dtypes", nargs="+", default=["int16", "uint8", "float32"])
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    print("edge,dtype,search,ratio_to_memcpy")
    for edge in asked.edges:
        for dtype in asked.dtypes:
            for name, ratio in measure(edge, dtype, asked.rounds):
                print(f'{edge},{dtype},"{name}",{ratio:.2f}')
            sys.stdout.flush()


if __name__ == "__main__":
    main()
