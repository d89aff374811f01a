"""Sizes and errors: one definition of every figure, whatever the codec.

Figures of error are taken over a mask, the same one for every codec that is compared, and refer to
a peak that is stated. `tissue_peak` gives the one that MedROI's own tables use.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from medroi import _kernel
from medroi.errors import InnerUnavailable, InvalidArgument

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

# Of Wang et al., Image quality assessment, IEEE TIP 13(4), 2004: a Gaussian window of 11 x 11.
SSIM_SIGMA = 1.5
SSIM_RADIUS = 5
_K1, _K2 = 0.01, 0.03


def compression_ratio(original_nbytes: int, stored_nbytes: int) -> float:
    """Bytes of the array in its stored dtype over all bytes written.

    Parameters
    ----------
    original_nbytes : int
        ``array.nbytes`` of the array as it is stored.
    stored_nbytes : int
        Everything written: header, record, side data and payload.

    Raises
    ------
    InvalidArgument
        Where nothing was written.
    """
    if stored_nbytes <= 0:
        raise InvalidArgument(f"{stored_nbytes} stored bytes: expected at least 1")
    return original_nbytes / stored_nbytes


def bits_per_voxel(stored_nbytes: int, n_voxels: int) -> float:
    """Stored bits per voxel; infinite where there is no voxel.

    Parameters
    ----------
    stored_nbytes : int
        Everything written.
    n_voxels : int
        Of the array, or of the region: say which.
    """
    return 8 * stored_nbytes / n_voxels if n_voxels else math.inf


def tissue_peak(original: Array, mask: Mask | None = None) -> float:
    """The range of the original's finite values inside a mask, in stored units.

    Parameters
    ----------
    original : ndarray
        Any real dtype.
    mask : ndarray of bool, optional
        Of the same shape; None is every voxel.
    """
    values = original if mask is None else original[mask]
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return float(values.max()) - float(values.min()) if values.size else 0.0


def noise_sigma(values: Array, mask: Mask | None = None) -> float | None:
    """Estimate the standard deviation of the noise of a scan, in stored units.

    From the finest diagonal detail, which holds little anatomy: the median of its magnitude over
    0.6745 is the standard deviation of Gaussian noise (Donoho & Johnstone, Ideal spatial adaptation
    by wavelet shrinkage, Biometrika 81, 1994). wavelet3d's setting ``noise`` is a share of this.

    Parameters
    ----------
    values : ndarray
        Real; its last two axes are those of the slices.
    mask : ndarray of bool, optional
        Of the same shape; None is every voxel. Squares of 2 x 2 voxels count that lie wholly inside
        it and are not of one value, as cleared air and saturated voxels are. Of more than two
        million voxels some slices are left out.

    Returns
    -------
    float or None
        0 where half of all details are 0; None where no square lies inside.

    Raises
    ------
    InvalidArgument
        For fewer than two axes, and a mask of another shape.
    """
    if values.ndim < 2:
        raise InvalidArgument(f"noise of an array of shape {values.shape}: expected slices")
    if mask is not None and mask.shape != values.shape:
        raise InvalidArgument(
            f"mask: found shape {mask.shape}, expected {values.shape}, that of the values"
        )
    # What the kernel takes; of 64-bit integers the noise is far above their last bit.
    is_known = values.dtype.kind in "iu" and values.dtype.itemsize <= 4
    slices = np.ascontiguousarray(values if is_known else values.astype(np.float64))
    slices = slices.reshape(math.prod(values.shape[:-2]), *values.shape[-2:])
    inside = np.ones(slices.shape, bool) if mask is None else np.ascontiguousarray(mask, bool)
    dtype = slices.dtype
    big_endian = dtype.str.startswith(">")
    block = _kernel.Block(slices.shape, dtype.kind, dtype.itemsize, big_endian)
    found: float | None = _kernel.noise_sigma(
        block, slices.ravel().view(np.uint8), inside.ravel().view(np.uint8)
    )
    return found


def mean_square_error(original: Array, decoded: Array, mask: Mask | None = None) -> float:
    """Mean of the squared differences inside a mask, in squared stored units; float64 sums.

    Voxels with equal values count as equal, NaN and NaN too; NaN and a number differ infinitely.

    Raises
    ------
    InvalidArgument
        Where shapes differ or the mask is empty.
    """
    difference = _difference(original, decoded, mask)
    return float(np.mean(np.square(difference)))


def psnr(original: Array, decoded: Array, peak: float, mask: Mask | None = None) -> float:
    """Peak signal-to-noise ratio, 10 log10(peak^2 / mean square error).

    Parameters
    ----------
    original, decoded : ndarray
        Of one shape, in stored units.
    peak : float
        Above 0, in stored units.
    mask : ndarray of bool, optional
        The voxels compared; None is every voxel.

    Returns
    -------
    float
        dB; infinite, never a number, where nothing differs.

    Raises
    ------
    InvalidArgument
        Where shapes differ, the mask is empty or the peak is not above 0.
    """
    error = mean_square_error(original, decoded, mask)
    if error == 0:
        return math.inf
    if not peak > 0:
        raise InvalidArgument(f"peak={peak!r}: expected a number above 0, in stored units")
    return 20 * math.log10(peak) - 10 * math.log10(error)


def max_error(original: Array, decoded: Array, mask: Mask | None = None) -> float:
    """Largest absolute difference inside a mask, in stored units.

    Raises
    ------
    InvalidArgument
        Where shapes differ or the mask is empty.
    """
    return float(np.abs(_difference(original, decoded, mask)).max())


def ssim(original: Array, decoded: Array, peak: float, mask: Mask | None = None) -> float:
    """Structural similarity of 2-D slices, averaged over the voxels of a mask.

    The window is Gaussian, sigma 1.5, 11 x 11, over the last two axes; variances are those of the
    population; borders are mirrored (Wang et al. 2004; scikit-image's ``structural_similarity``
    with ``gaussian_weights=True, use_sample_covariance=False`` slice by slice, whose map this is).
    Voxels outside the mask count as equal, so that they decide nothing.

    Parameters
    ----------
    original, decoded : ndarray
        Of one shape, two axes or more; the last two are those of the slices.
    peak : float
        Above 0, in stored units.
    mask : ndarray of bool, optional
        The voxels compared and averaged; None is every voxel.

    Returns
    -------
    float
        1 where nothing differs.

    Raises
    ------
    InvalidArgument
        Where shapes differ, the mask is empty or the peak is not above 0.
    InnerUnavailable
        Without scipy.
    """
    _check(original, decoded, mask)
    return Reference(original, peak, mask).ssim(decoded)


class Reference:
    """One original, kept ready for many decoded arrays that are compared with it.

    Parameters
    ----------
    original : ndarray
        Two axes or more.
    peak : float
        Above 0, in stored units.
    mask : ndarray of bool, optional
        The voxels of every figure; None is every voxel.

    Raises
    ------
    InvalidArgument
        As `psnr` and `ssim`.
    """

    def __init__(self, original: Array, peak: float, mask: Mask | None = None) -> None:
        _check(original, original, mask)
        if original.ndim < 2 or not peak > 0:
            raise InvalidArgument(f"a reference of {original.ndim} axes with peak={peak!r}")
        self._shape, self._peak = original.shape, peak
        self._inside = _bounds(mask, original.shape)
        self._mask = None if mask is None else np.ascontiguousarray(mask[self._inside])
        self._original = np.ascontiguousarray(original[self._inside])

    @functools.cached_property
    def _moments(self) -> tuple[Array, Array]:
        values, blur = self._original.astype(np.float64), _blur()
        mean = blur(values)
        return mean, blur(values * values) - mean * mean

    def _cut(self, decoded: Array) -> Array:
        if decoded.shape != self._shape:
            raise InvalidArgument(f"an array of shape {decoded.shape}, expected {self._shape}")
        return np.ascontiguousarray(decoded[self._inside])

    def error(self, decoded: Array) -> tuple[float, float]:
        """PSNR in dB and the largest absolute difference, as `psnr` and `max_error` give them."""
        difference = _difference(self._original, self._cut(decoded), self._mask)
        mean = float(np.mean(np.square(difference)))
        largest = float(np.abs(difference).max())
        if mean == 0:
            return math.inf, largest
        return 20 * math.log10(self._peak) - 10 * math.log10(mean), largest

    def ssim(self, decoded: Array) -> float:
        """As the function `ssim` gives it."""
        blur, first = _blur(), self._original.astype(np.float64)
        second = self._cut(decoded).astype(np.float64)
        if self._mask is not None:
            second = np.where(self._mask, second, first)
        mean_1, variance_1 = self._moments
        mean_2 = blur(second)
        variance_2 = blur(second * second) - mean_2 * mean_2
        covariance = blur(first * second) - mean_1 * mean_2
        c1, c2 = (_K1 * self._peak) ** 2, (_K2 * self._peak) ** 2
        above = (2 * mean_1 * mean_2 + c1) * (2 * covariance + c2)
        below = (mean_1**2 + mean_2**2 + c1) * (variance_1 + variance_2 + c2)
        similarity = above / below
        return float(np.mean(similarity if self._mask is None else similarity[self._mask]))


def _blur() -> Any:
    try:
        from scipy.ndimage import gaussian_filter1d
    except ImportError as error:
        raise InnerUnavailable(
            "SSIM needs scipy, which is not installed: pip install 'medroi[compare]'"
        ) from error

    def blur(values: Array) -> Array:
        rows = gaussian_filter1d(values, SSIM_SIGMA, axis=-1, radius=SSIM_RADIUS)
        return np.asarray(gaussian_filter1d(rows, SSIM_SIGMA, axis=-2, radius=SSIM_RADIUS))

    return blur


def _bounds(mask: Mask | None, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of the array that decides the map inside the mask."""
    if mask is None:
        return tuple(slice(None) for _ in shape)
    found = []
    for axis, size in enumerate(shape):
        others = tuple(other for other in range(len(shape)) if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        # A window reaches no further.
        margin = SSIM_RADIUS if axis >= len(shape) - 2 else 0
        start, stop = int(used[0]) - margin, int(used[-1]) + 1 + margin
        found.append(slice(max(0, start), min(size, stop)))
    return tuple(found)


def _difference(original: Array, decoded: Array, mask: Mask | None) -> Array:
    _check(original, decoded, mask)
    first = original if mask is None else original[mask]
    second = decoded if mask is None else decoded[mask]
    if first.dtype.kind in "biu" and first.dtype.itemsize < 8:
        return np.asarray(second.astype(np.float64) - first.astype(np.float64))
    with np.errstate(invalid="ignore"):
        difference = second.astype(np.float64) - first.astype(np.float64)
    same = (first == second) | (_is_nan(first) & _is_nan(second))
    # A missing value that came back as a number, or the other way round, is no small error.
    difference[np.isnan(difference)] = math.inf
    return np.where(same, 0.0, difference)


def _is_nan(values: Array) -> Any:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)


def _check(original: Array, decoded: Array, mask: Mask | None) -> None:
    if original.shape != decoded.shape or (mask is not None and mask.shape != original.shape):
        shapes = [original.shape, decoded.shape, None if mask is None else mask.shape]
        raise InvalidArgument(f"arrays and mask of one shape are compared, found {shapes}")
    if original.size == 0 or (mask is not None and not mask.any()):
        raise InvalidArgument("nothing to compare: the mask holds no voxel")
