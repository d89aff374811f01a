"""Scans for `loss.py`: those of a folder, and generated ones of every kind that has lost voxels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".png")
SEED = 14


@dataclass(frozen=True)
class Scan:
    """One array whose voxels have to come back.

    Attributes
    ----------
    name : str
    voxels : ndarray
        As stored.
    spacing_mm : tuple of float or None
        Of the first axes; None where the file has none.
    fill_value : int or float
        Of the arrays that hold it.
    path : Path or None
        The file, where it is one.
    every : int
        Step of the voxels that were taken of the file along its volume axes.
    """

    name: str
    voxels: Array
    spacing_mm: tuple[float, ...] | None = None
    fill_value: float = 0
    path: Path | None = None
    every: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        """Array axes of the volume."""
        return tuple(range(min(3, self.voxels.ndim)))

    @property
    def voxel_mm3(self) -> float | None:
        """Size of a voxel; None where the spacing is not known."""
        if self.spacing_mm is None or len(self.axes) < 3:
            return None
        return float(np.prod(self.spacing_mm[:3]))

    def thinned(self, n_voxels: int) -> Scan:
        """Every n-th voxel along each axis of the volume, so that at most so many are left."""
        volume = int(np.prod(self.voxels.shape[: len(self.axes)]))
        every = 1
        while volume > n_voxels * every ** len(self.axes):
            every += 1
        if every == 1:
            return self
        step = (slice(None, None, every),) * len(self.axes)
        # One volume of a series says what the others say.
        taken = self.voxels[step + (slice(0, 2),) * (self.voxels.ndim - len(self.axes))]
        mm = None if self.spacing_mm is None else tuple(every * s for s in self.spacing_mm)
        dense = np.asfortranarray(taken)
        return Scan(self.name, dense, mm, self.fill_value, None, every)


def read(path: Path) -> Scan:
    """The scan in a file, its voxels as they are stored."""
    if path.suffix == ".png":
        return Scan(path.name, np.asarray(Image.open(path)), path=path)
    image: Any = nibabel.load(path)
    spacing_mm = tuple(float(size) for size in image.header.get_zooms()[:3])
    return Scan(path.name, np.asarray(image.dataobj.get_unscaled()), spacing_mm, path=path)


def n_voxels_of(path: Path) -> int:
    """Voxels of the scan in a file, from its header; 0 where it cannot be read."""
    try:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                return picture.width * picture.height
        image: Any = nibabel.load(path)
        return int(np.prod(image.shape))
    except Exception:  # of any library: whoever reads the voxels says why
        return 0


def paths_in(folder: Path) -> list[Path]:
    """Every file of a known kind below a folder."""
    return sorted(p for p in folder.rglob("*") if p.name.lower().endswith(SUFFIXES))


def _ball(shape: tuple[int, ...], radius: float) -> Array:
    grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    return sum(g * g for g in grid) < radius * radius


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float = 4.0) -> Array:
    """Magnitude noise, as the air of an MR scan has it."""
    return np.hypot(rng.normal(0, sigma, shape), rng.normal(0, sigma, shape))


def label_map(rng: np.random.Generator) -> Scan:
    """Large labels, thin plates and single voxels, with values far apart."""
    labels = np.zeros((72, 64, 48), np.uint16)
    labels[20:40, 20:40, 10:30] = 1000
    labels[44:56, 30:50, 12:40] = 2
    for x, y, z in rng.integers(2, [64, 56, 44], (120, 3)):
        size = rng.integers(1, 6, 2)
        labels[x : x + size[0], y : y + size[1], z : z + rng.integers(1, 3)] = rng.integers(1, 90)
    labels[1, 1, 1] = 5
    return Scan("label map", labels, (1.0, 1.0, 1.0))


def disc_labels(rng: np.random.Generator) -> Scan:
    """One voxel per disc, its value the number of the disc."""
    labels = np.zeros((40, 40, 120), np.uint8)
    for number in range(10):
        labels[20, 22, 110 - 11 * number] = number + 2
    return Scan("disc point labels", labels, (1.0, 1.0, 0.5))


def signed_map(rng: np.random.Generator) -> Scan:
    """A statistic: as much below 0 as above it, 0 outside the brain."""
    values = rng.normal(0, 2.5, (48, 56, 48)).astype(np.float32)
    values[~_ball(values.shape, 0.8)] = 0
    return Scan("signed statistics map", values, (3.0, 3.0, 3.0))


def thick_nodule(rng: np.random.Generator) -> Scan:
    """Slices of 6.5 mm in noisy air; a bright nodule of two slices beside the body."""
    volume = _noise(rng, (96, 96, 25))
    volume[14:66, 22:76, 3:22] += 120
    volume[74:94, 38:58, 10:12] += 200
    return Scan("thick slices, nodule", volume.clip(0, 255).astype(np.uint8), (1.0, 1.0, 6.5))


def end_cone(rng: np.random.Generator) -> Scan:
    """A cone that grows up to the last slice, as a neck does towards the shoulders."""
    y, x = np.indices((96, 96)) - 48.0
    volume = _noise(rng, (96, 96, 11))
    for z in range(11):
        volume[..., z] += np.where(np.hypot(x, y) < 8 + 4 * z, 120, 0)
    return Scan("end-slice cone", volume.astype(np.uint8), (1.0, 1.0, 5.0))


def nan_masked(rng: np.random.Generator) -> Scan:
    """Values inside a mask and NaN outside it; two are missing inside."""
    values = (400 + 30 * rng.normal(size=(40, 44, 40))).astype(np.float32)
    values[~_ball(values.shape, 0.7)] = np.nan
    values[20, 20, 20:22] = np.nan
    return Scan("NaN-masked floats", values, (1.0, 1.0, 1.0), fill_value=np.nan)


def nan_in_air(rng: np.random.Generator) -> Scan:
    """Noisy air with NaN in it, far from the body."""
    values = _noise(rng, (48, 48, 40)).astype(np.float32)
    values[_ball(values.shape, 0.6)] += 300
    values[2:4, 2:5, 3] = np.nan
    values[45, 1, 38] = np.nan
    return Scan("NaN in noisy air", values, (1.0, 1.0, 1.0))


def padding_circle(rng: np.random.Generator) -> Scan:
    """CT: -2000 outside the reconstruction circle, air at -1000 +- 15 inside it."""
    y, x = np.indices((128, 128)) - 64.0
    body = (x / 30) ** 2 + (y / 22) ** 2 < 1
    volume = np.where(body, 40, -1000)[..., None] + rng.normal(0, 15, (128, 128, 12))
    volume[np.hypot(x, y) > 63.5] = -2000
    return Scan("CT, padding circle", volume.round().astype(np.int16), (0.9, 0.9, 5.0))


def no_air(rng: np.random.Generator) -> Scan:
    """A cropped field of view: tissue up to every face, smooth, with texture."""
    grid = np.ogrid[tuple(slice(0, 3, n * 1j) for n in (48, 48, 40))]
    smooth = 300 + 80 * np.sin(grid[0]) * np.cos(2 * grid[1]) * np.cos(grid[2])
    volume = smooth + rng.normal(0, 6, (48, 48, 40))
    return Scan("no air", volume.round().astype(np.int16), (1.0, 1.0, 1.0))


def windowed(rng: np.random.Generator) -> Scan:
    """8 bits with noise of a few grey levels, half of it cut off at 0, and a dim structure."""
    volume = rng.normal(0, 3, (64, 64, 32))
    volume[_ball(volume.shape, 0.6)] += 140
    volume[4:9, 28:36, 10:22] += 25
    return Scan("8-bit windowed noise", volume.clip(0, 255).astype(np.uint8), (1.0, 1.0, 2.0))


def image(rng: np.random.Generator) -> Scan:
    """A 2-D image in noisy air, with a small bright mark beside the object."""
    pixels = _noise(rng, (160, 128))
    pixels[_ball(pixels.shape, 0.7)] += 200
    pixels[4:9, 6:10] += 90
    return Scan("2-D image", pixels.astype(np.uint16))


def head(rng: np.random.Generator) -> Scan:
    """A ball in noisy air, with two thin ears."""
    volume = _noise(rng, (64, 64, 48))
    volume[_ball(volume.shape, 0.7)] += 150
    volume[30:36, 2:9, 20:26] += 60
    volume[30:36, 55:62, 24] += 60
    return Scan("head in noisy air", np.asfortranarray(volume.astype(np.int16)), (1.0, 1.0, 1.0))


def constant(rng: np.random.Generator) -> Scan:
    """One value that is not the background."""
    return Scan("constant", np.full((24, 20, 16), 7, np.int16), (1.0, 1.0, 1.0))


def all_nan(rng: np.random.Generator) -> Scan:
    """Nothing but missing values, in an array whose fill value is 0."""
    return Scan("all NaN", np.full((16, 16, 16), np.nan, np.float32), (1.0, 1.0, 1.0))


def one_voxel(rng: np.random.Generator) -> Scan:
    """The smallest volume."""
    return Scan("one voxel", np.full((1, 1, 1), 9, np.int16), (1.0, 1.0, 1.0))


GENERATORS: tuple[Callable[[np.random.Generator], Scan], ...] = (
    label_map,
    disc_labels,
    signed_map,
    thick_nodule,
    end_cone,
    nan_masked,
    nan_in_air,
    padding_circle,
    no_air,
    windowed,
    image,
    head,
    constant,
    all_nan,
    one_voxel,
)


def generated() -> Iterator[Scan]:
    """One of every kind; the same voxels in every run."""
    for number, make in enumerate(GENERATORS):
        yield make(np.random.default_rng((SEED, number)))
