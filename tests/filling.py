"""Writing a chunk in several goes, as every store does it: decode, put the new part in, encode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np

from medroi import MedROI

Place = tuple[slice, ...]


def slices_along(shape: tuple[int, ...], axis: int, thickness: int = 1) -> list[Place]:
    """Slabs along an axis, in order."""
    whole = (slice(None),) * axis
    return [(*whole, slice(k, k + thickness)) for k in range(0, shape[axis], thickness)]


def blocks_of(shape: tuple[int, ...], size: Iterable[int]) -> list[Place]:
    """Blocks, those at the end cut off where the array ends."""
    starts = [[slice(k, k + s) for k in range(0, n, s)] for n, s in zip(shape, size)]
    return list(product(*starts))


def orders(parts: list[Place], seed: int) -> Iterator[tuple[str, list[Place]]]:
    """Forward, backward, and one order of chance."""
    yield "forward", parts
    yield "backward", parts[::-1]
    shuffled = np.random.default_rng(seed).permutation(len(parts))
    yield "random", [parts[int(k)] for k in shuffled]


def written_in_parts(
    array: np.ndarray, parts: Iterable[Place], fill: float = 0, **options: Any
) -> np.ndarray:
    """What an array of one chunk holds after a write of every part."""
    codec = MedROI("raw", **options)
    held = np.full_like(array, fill)
    for place in parts:
        held = np.array(held, order="K")
        held[place] = array[place]
        held = codec.decode(codec.encode(held))
    return held


def written_once(array: np.ndarray, **options: Any) -> np.ndarray:
    """What it holds after one write of all."""
    codec = MedROI("raw", **options)
    return codec.decode(codec.encode(array))
