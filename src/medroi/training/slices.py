"""Volumes as inner codec bcmnet sees them: indices, their lossy base, samples of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medroi.inner.neural.bcmnet import base, indices, order
from medroi.inner.neural.bcmnet.codec import Bcmnet

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Slices:
    """One volume, ready to draw samples from.

    Attributes
    ----------
    exact, lossy : array of int32, [slices, height, width]
    """

    exact: Ints
    lossy: Ints

    @property
    def deviation(self) -> float:
        """Standard deviation of the residuals."""
        return float((self.exact - self.lossy).std())


@dataclass(frozen=True)
class Sample:
    """A window of one slice and of its references, [height, width] each.

    Attributes
    ----------
    exact, lossy : array of int32
    references : tuple of two arrays of int32, optional
    """

    exact: Ints
    lossy: Ints
    references: tuple[Ints, Ints] | None


def prepare(volume: npt.NDArray[np.generic], base_psnr: float = Bcmnet.base_psnr) -> Slices:
    """A volume with its lossy base.

    Parameters
    ----------
    volume : array
        Slices are its last two axes. Elements as bcmnet takes them.
    base_psnr : float
        As bcmnet's.
    """
    exact = indices.find(volume).of(volume)
    low, high = int(exact.min()), int(exact.max())
    coded = base.encode(exact, base.step_for(float(high - low), base_psnr))
    return Slices(exact, np.clip(base.decode(coded, exact.shape), low, high))


def draw(slices: Slices, side: int, random: np.random.Generator) -> Sample:
    """A window of at most `side` pixels a side, of even sides, from any slice.

    Each slice plays every role: how far its references are is drawn as often as coding meets it.
    """
    n, *sizes = slices.exact.shape
    number = int(random.integers(n))
    starts = [int(random.integers(max(1, size - side + 1))) for size in sizes]
    window = tuple(
        slice(start, start + min(side, size - size % 2))
        for start, size in zip(starts, sizes, strict=True)
    )
    exact, lossy = slices.exact[number][window], slices.lossy[number][window]
    if sizes[0] < 2 or sizes[1] < 2:
        raise ValueError(f"slices of {sizes}, expected at least 2 x 2")
    role = int(random.integers(order.GROUP))
    distances = [r - (order.GROUP + role) for r in order.references_of(order.GROUP + role, 1 << 30)]
    places = [number + distance for distance in distances]
    if places[0] < 0:
        return Sample(exact, lossy, None)
    if places[1] >= n:
        places[1] = places[0]
    return Sample(exact, lossy, tuple(slices.exact[place][window] for place in places))
