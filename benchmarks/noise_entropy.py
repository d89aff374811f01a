"""The entropy of a scan's noise: bits a voxel that no lossless coder can do without.

The noise of a voxel is random; what it takes to write it down is its entropy, once it is rounded to
the values that the scan can hold. Its standard deviation is measured in one of three ways:

* air: of magnitude MR. There the signal is 0 and the magnitude of complex Gaussian noise has a
  Rayleigh law; elsewhere it has the Rician law of the local mean and the same sigma (Gudbjartsson,
  Patz 1995), and with several coils a chi law (Constantinides 1997). Sigma, coils, and whether
  values were rounded or cut are fitted to the histogram of the darkest blocks that vary;
* repeats: of a series of volumes. The difference of two volumes in time is noise times sqrt 2, once
  a steady drift is taken out (von Neumann 1941);
* flat places: what a smooth fit leaves of a block of 3 x 6 x 6 voxels (16 x 16 of an image) is
  noise where there is no structure: of the blocks of about one intensity, in the twentieth with the
  least.

These are entropies of each voxel by itself. Noise that a scanner has filtered or interpolated is
correlated, and part of it follows from its neighbours: the best linear prediction from 21 voxels
that come before it leaves a share of its variance, and the entropy is lower by half the logarithm
of that share (Gaussian noise; Kolmogorov's formula with a finite past). Voxels that equal all their
neighbours are constant and count as 0 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter
from scipy.stats import chi2, ncx2, norm

Array = np.ndarray[Any, Any]
# Air is darker than this share of what is bright, and its blocks are alike to this ratio.
DARK_SHARE, POWER_RANGE = 0.25, 1.25
MOST_COILS = 6
# Of the values of the air, so many may be where the fitted law has none for them.
MOST_MISFIT = 0.06
BLOCK = (3, 6, 6)
N_CLASSES = 16
FLAT_SHARE = 0.05
# Fewer blocks say too little.
LEAST_BLOCKS = 32
# Above this many sigma a magnitude is Gaussian.
FAR = 8.0


@dataclass(frozen=True)
class Estimate:
    """The entropy of a volume's noise.

    Attributes
    ----------
    sigma : float
        Standard deviation of the noise, in stored steps; the median, where it differs by place.
    left_share : float
        Share of its variance that its neighbours do not predict.
    alone_bpv : float
        Bits a voxel, over the whole volume, of the noise of each voxel by itself.
    limit_bpv : float
        Bits a voxel that are left once the noise is predicted from its neighbours.
    """

    sigma: float
    left_share: float
    alone_bpv: float
    limit_bpv: float


# --- laws ---


def _bits_of(shares: Array) -> float:
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log2(shares)))


def _edges(reach: float) -> Array:
    """Between the whole numbers around 0."""
    return np.arange(-int(reach) - 2, int(reach) + 4) - 0.5


@cache
def _gaussian_table() -> tuple[Array, Array]:
    """Logarithms of sigma, and entropies over all places of the mean between two whole numbers."""
    sigmas, far = np.geomspace(1e-3, 64, 200), 2.0**20
    means = (np.arange(16) + 0.5) / 16
    bits = [
        np.mean([_bits_of(np.diff(norm(mean, s).cdf(_edges(8 * s)))) for mean in means])
        for s in sigmas
    ]
    far_bits = 0.5 * np.log2(2 * np.pi * np.e * far**2)
    return np.log([*sigmas, far]), np.array([*bits, far_bits])


def gaussian_bits(sigma: Array) -> Array:
    """Entropy of rounded Gaussian noise."""
    return np.interp(np.log(np.maximum(sigma, 1e-3)), *_gaussian_table())


@dataclass(frozen=True)
class Magnitude:
    """The law of stored magnitudes: root of the sum of squares of the noise of `n_coils` channels.

    Attributes
    ----------
    sigma : float
        Standard deviation of the Gaussian noise of each channel's two parts.
    n_coils : int
        1 is a Rayleigh law where there is no signal, and a Rician one where there is.
    is_cut : bool
        Whether the scanner cut magnitudes to whole numbers; else it rounded them.
    """

    sigma: float
    n_coils: int
    is_cut: bool

    def shares(self, signal: float) -> Array:
        """Probabilities of the stored values 0, 1 ..., at a signal in sigma."""
        reach = int((signal + 8 + 2 * np.sqrt(self.n_coils)) * self.sigma) + 3
        edges = np.arange(reach + 1) + (0.0 if self.is_cut else -0.5)
        edges = np.maximum(edges, 0) / self.sigma
        return np.diff(ncx2.cdf(edges**2, 2 * self.n_coils, signal**2))

    def bits(self, mean: Array) -> Array:
        """Entropy by the mean of the stored values; that of the air where the mean is no larger."""
        laws = [self.shares(signal) for signal in np.linspace(0, FAR, 65)]
        means = [float(law @ np.arange(len(law))) for law in laws]
        return np.interp(mean, means, [_bits_of(law) for law in laws])

    def misfit(self, counts: Array) -> float:
        """Share of counted values that another place would suit better: total variation."""
        law = self.shares(0.0)
        n = max(len(law), len(counts))
        apart = np.pad(law, (0, n - len(law))) - np.pad(counts, (0, n - len(counts))) / counts.sum()
        return float(np.abs(apart).sum() / 2)


# --- blocks ---


def block_of(volume: Array) -> tuple[int, int, int]:
    """The edges of a block, of one slice where there are few."""
    return BLOCK if len(volume) >= BLOCK[0] else (1, 16, 16)


def blocks_of(volume: Array) -> Array:
    """Blocks, one after the other; what does not fill a block at the ends is left out."""
    block = block_of(volume)
    n = [size // edge for size, edge in zip(volume.shape, block, strict=True)]
    cut = volume[tuple(slice(count * edge) for count, edge in zip(n, block, strict=True))]
    parts = cut.reshape([size for pair in zip(n, block, strict=True) for size in pair])
    return parts.transpose(0, 2, 4, 1, 3, 5).reshape(-1, *block)


def _basis(block: tuple[int, ...]) -> Array:
    """Orthonormal columns: a plane in each slice of a block, and one curvature."""
    z, y, x = (axis.ravel() - axis.mean() for axis in np.indices(block).astype(float))
    planes = [(z == level) * axis for level in np.unique(z) for axis in (np.ones_like(z), y, x)]
    return np.linalg.qr(np.stack([*planes, x * x, x * y, y * y], axis=1))[0]


def residues(blocks: Array) -> Array:
    """What a smooth fit leaves of each block."""
    basis = _basis(blocks.shape[1:])
    flat = blocks.reshape(len(blocks), -1).astype(float)
    return (flat - flat @ basis @ basis.T).reshape(blocks.shape)


def _n_free(block: tuple[int, ...]) -> int:
    """Degrees of freedom of the residue of a block."""
    return int(np.prod(block)) - _basis(block).shape[1]


def residue_sigma(residue: Array) -> Array:
    """The standard deviation of the noise of each block."""
    squares = (residue.reshape(len(residue), -1) ** 2).sum(1)
    return np.sqrt(squares / _n_free(residue.shape[1:]))


def _least_share(block: tuple[int, ...]) -> float:
    """The mean variance of the least `FLAT_SHARE` of blocks of one noise, over that of all."""
    n = _n_free(block)
    return float(chi2.cdf(chi2.ppf(FLAT_SHARE, n), n + 2) / FLAT_SHARE)


def left_share(noise: Array) -> float:
    """Share of the variance of the residues of blocks that their neighbours do not predict.

    White noise, of which nothing can be predicted, shows what the fit of the residues itself makes
    predictable, which is divided out.
    """
    white = residues(np.random.default_rng(20).standard_normal(noise.shape))
    return min(1.0, _unpredicted(noise) / _unpredicted(white))


def _unpredicted(noise: Array) -> float:
    """Share of the variance that the best linear prediction in hindsight leaves."""
    places = [(0, dy, dx) for dy in (-2, -1) for dx in range(-2, 3)] + [(0, 0, -2), (0, 0, -1)]
    first = min(1, noise.shape[1] - 1)
    if first:
        places += [(-1, dy, dx) for dy in range(-1, 2) for dx in range(-1, 2)]
    depth, height, width = noise.shape[1:]

    def at(dz: int, dy: int, dx: int) -> Array:
        rows, columns = slice(2 + dy, height - 1 + dy), slice(2 + dx, width - 2 + dx)
        return noise[:, first + dz : depth + dz, rows, columns].reshape(-1)

    taps, target = np.stack([at(*place) for place in places]), at(0, 0, 0)
    weights = np.linalg.lstsq(taps @ taps.T, taps @ target, rcond=None)[0]
    return float(np.mean((target - weights @ taps) ** 2) / np.mean(target**2))


def is_constant(volume: Array) -> Array:
    """Whether a voxel equals all voxels around it."""
    return np.asarray(maximum_filter(volume, 3) == minimum_filter(volume, 3))


# --- estimates ---


def from_flat_places(volume: Array) -> Estimate | None:
    """The estimate from what a smooth fit leaves; None where too little of the volume varies."""
    blocks = blocks_of(volume).astype(float)
    n_varying = (~blocks_of(is_constant(volume))).reshape(len(blocks), -1).mean(1)
    found = n_varying > 0
    if found.sum() < LEAST_BLOCKS:
        return None
    blocks, weights = blocks[found], n_varying[found]
    residue = residues(blocks)
    sigmas, means = residue_sigma(residue), blocks.mean((1, 2, 3))
    limits = np.quantile(means, np.arange(1, N_CLASSES) / N_CLASSES)
    classes = np.searchsorted(limits, means)
    whole = (weights == 1) & (sigmas > 0)
    noise, is_flat = np.zeros(len(blocks)), np.zeros(len(blocks), bool)
    for one in np.unique(classes):
        here = classes == one
        # Blocks that are constant in part say nothing of their noise, unless there are no others.
        known = here & whole if (here & whole).sum() >= 4 else here
        least = known & (sigmas <= np.quantile(sigmas[known], FLAT_SHARE))
        noise[here] = np.sqrt(np.mean(sigmas[least] ** 2) / _least_share(blocks.shape[1:]))
        is_flat |= least & (sigmas > 0)
    share = left_share(residue[is_flat] / sigmas[is_flat][:, None, None, None])
    of_all = found.mean()
    return Estimate(
        float(np.median(noise)),
        share,
        float(np.mean(weights * gaussian_bits(noise)) * of_all),
        float(np.mean(weights * gaussian_bits(noise * np.sqrt(share))) * of_all),
    )


def air_of(volume: Array) -> tuple[Magnitude, Array] | None:
    """The law of the noise in the air of magnitude MR, and the air's blocks; None without any."""
    blocks = blocks_of(volume)
    flat = blocks.reshape(len(blocks), -1).astype(float)
    root = np.sqrt((flat**2).mean(1))
    dark = ((flat == flat[:, :1]).mean(1) < 0.5) & (root < DARK_SHARE * np.quantile(root, 0.95))
    if dark.sum() < LEAST_BLOCKS or volume.min() < 0:
        return None
    # The most blocks of about one power; those with a ghost in them have more.
    powers = np.sort(root[dark])
    n_within = np.searchsorted(powers, powers * POWER_RANGE) - np.arange(len(powers))
    least = powers[np.argmax(n_within)]
    air = blocks[dark & (root >= least) & (root <= least * POWER_RANGE)]
    counts = np.bincount(air.ravel())
    laws = [
        Magnitude(float(scale * np.sqrt(np.mean((air + cut / 2) ** 2) / 2 / n)), n, bool(cut))
        for n in range(1, MOST_COILS + 1)
        for cut in (0, 1)
        for scale in np.linspace(0.9, 1.1, 21)
    ]
    law = min(laws, key=lambda law: law.misfit(counts))
    if len(air) < LEAST_BLOCKS or law.misfit(counts) > MOST_MISFIT:
        return None
    return law, air


def from_air(volume: Array) -> Estimate | None:
    """The estimate from the air; None where the volume has no noisy air."""
    found, flat = air_of(volume), from_flat_places(volume)
    if found is None or flat is None:
        return None
    law, air = found
    residue = residues(air)
    share = left_share(residue / residue_sigma(residue)[:, None, None, None])
    mean = uniform_filter(volume.astype(np.float32), 3)
    bits = np.where(is_constant(volume), 0.0, law.bits(mean))
    # Magnitudes are less correlated than the Gaussian noise that tissue shows.
    in_tissue = mean > (2 + 2 * np.sqrt(law.n_coils)) * law.sigma
    shares = np.where(in_tissue, flat.left_share, share)
    left = np.maximum(bits + 0.5 * np.log2(shares), 0)
    return Estimate(law.sigma, float(np.mean(shares)), float(bits.mean()), float(left.mean()))


def from_repeats(volumes: Array) -> Estimate | None:
    """The estimate from the differences of volumes in time, the first axis."""
    steps = np.diff(volumes.astype(float), axis=0)
    steps -= steps.mean(0)
    # Over the neighbours too, as few differences say little about one voxel.
    n = len(steps)
    variance = uniform_filter((steps**2).sum(0) / (n - 1 / n) / 2, 3)
    sigma = np.where(np.ptp(volumes, axis=0) == 0, 0.0, np.sqrt(variance))
    scaled = steps / np.maximum(np.sqrt(2) * sigma, 1e-9)
    blocks = np.concatenate([blocks_of(one) for one in scaled])
    residue = residues(blocks[(blocks != 0).all((1, 2, 3))])
    if len(residue) < LEAST_BLOCKS:
        return None
    share = left_share(residue)
    varies = sigma > 0
    return Estimate(
        float(np.median(sigma[varies])),
        share,
        float(np.mean(varies * gaussian_bits(sigma))),
        float(np.mean(varies * gaussian_bits(sigma * np.sqrt(share)))),
    )
