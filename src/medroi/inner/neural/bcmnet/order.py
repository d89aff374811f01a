"""In which order the slices of a part are coded, and which slices each may look at.

The order of the public network, in groups of 8: multiples of 8 first, each after the one before it;
then the halves, quarters and eighths between them, which look both ways.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUP = 8
# Half the pixels of a step's images at most, on the grid of the features; one slice always fits.
STEP_PIXELS = 1 << 14
# Offsets within a group that are coded together: none of them looks at another.
_LEVELS = ((4,), (2, 6), (1, 3, 5, 7))
_NEIGHBOURS = {1: (0, 2), 2: (0, 4), 3: (2, 4), 4: (0, 8), 5: (4, 6), 6: (4, 8), 7: (6, 8)}


@dataclass(frozen=True)
class Step:
    """Slices that are coded together.

    Attributes
    ----------
    slices : tuple of int
    forward, backward : tuple of int
        The references of each slice; empty for the first slice of a part, which has none.
    """

    slices: tuple[int, ...]
    forward: tuple[int, ...] = ()
    backward: tuple[int, ...] = ()


def references_of(number: int, n_slices: int) -> tuple[int, int]:
    """Forward and backward reference of any slice but 0; the forward one twice beyond the end."""
    group, offset = divmod(number, GROUP)
    if offset == 0:
        return (number - GROUP, number - GROUP)
    forward, backward = (GROUP * group + neighbour for neighbour in _NEIGHBOURS[offset])
    return (forward, backward if backward < n_slices else forward)


def steps(n_slices: int, height: int, width: int) -> list[Step]:
    """All slices of a part, in coding order.

    Parameters
    ----------
    n_slices : int
    height, width : int
        Of a slice.
    """
    features = ((height + 1) // 2) * ((width + 1) // 2)
    at_once = max(1, STEP_PIXELS // features)
    found = [Step((0,))]
    found += [_step((number,), n_slices) for number in range(GROUP, n_slices, GROUP)]
    for offsets in _LEVELS:
        level = [number for number in range(n_slices) if number % GROUP in offsets]
        for start in range(0, len(level), at_once):
            found.append(_step(tuple(level[start : start + at_once]), n_slices))
    return found


def _step(numbers: tuple[int, ...], n_slices: int) -> Step:
    pairs = [references_of(number, n_slices) for number in numbers]
    return Step(numbers, tuple(f for f, _ in pairs), tuple(b for _, b in pairs))
