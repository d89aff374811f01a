"""Fitted numbers hold the guarantee for the foreground mask of the whole array, chunk by chunk."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from medroi import MedROI
from medroi.errors import InvalidArgument


def head() -> np.ndarray:
    """A bright shell around dim tissue with a dark ventricle, in Rayleigh noise."""
    rng = np.random.default_rng(11)
    grid = np.meshgrid(*(np.linspace(-1.3, 1.3, n) for n in (50, 58, 54)), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in grid))
    ventricle = sum((axis - 0.15) ** 2 for axis in grid) < 0.16
    tissue = np.where(radius < 0.85, 60, 110) * (radius < 1)
    tissue = np.where(ventricle, 4, tissue)
    noisy = np.hypot(tissue + rng.normal(0, 2, tissue.shape), rng.normal(0, 2, tissue.shape))
    return np.asarray(noisy.astype("<i2"))


def foreground_mask(volume: np.ndarray) -> np.ndarray:
    """An independent foreground mask: low threshold, largest component, closed, without holes."""
    cross = ndimage.generate_binary_structure(3, 1)
    labels, _ = ndimage.label(ndimage.binary_opening(volume > 25, cross))
    body = np.pad(labels == np.bincount(labels.ravel())[1:].argmax() + 1, 8)
    closed = ndimage.binary_closing(body, cross, 5)[(slice(8, -8),) * 3]
    return np.asarray(ndimage.binary_fill_holes(closed))


def through_chunks(codec: MedROI, volume: np.ndarray, chunks: tuple[int, ...]) -> np.ndarray:
    """What comes back when each chunk is coded alone, edge chunks padded."""
    decoded = np.empty_like(volume)
    fill = codec.get_config()["background"]
    starts = [range(0, n, size) for n, size in zip(volume.shape, chunks, strict=True)]
    for corner in product(*starts):
        place = tuple(slice(s, s + n) for s, n in zip(corner, chunks, strict=True))
        part = volume[place]
        chunk = np.full(chunks, fill, volume.dtype)
        inside = tuple(slice(n) for n in part.shape)
        chunk[inside] = part
        decoded[place] = codec.decode(codec.encode(chunk))[inside]
    return decoded


CHUNKINGS = [(50, 58, 54), (16, 16, 16), (1, 58, 54), (50, 58, 1), (17, 23, 19)]


@pytest.mark.parametrize("chunks", CHUNKINGS)
@pytest.mark.parametrize("roi", ["box", "mask"])
@pytest.mark.parametrize("max_miss_rate", [0.002, 0.0])
def test_no_more_of_the_mask_is_lost_than_was_allowed(
    chunks: tuple[int, ...], roi: str, max_miss_rate: float
) -> None:
    volume = head()
    mask = foreground_mask(volume)
    codec = MedROI.fit(volume, chunks=chunks, inner="raw", roi=roi, max_miss_rate=max_miss_rate)
    lost = (through_chunks(codec, volume, chunks) != volume) & mask
    assert lost.sum() <= max_miss_rate * mask.sum()


def test_a_dark_ventricle_in_a_corner_lowers_the_threshold() -> None:
    volume, chunks = head(), (16, 16, 16)
    whole = MedROI.fit(volume, roi="mask", threshold=40, inner="raw")
    fitted = MedROI.fit(volume, chunks=chunks, roi="mask", threshold=40, inner="raw")
    lost = (through_chunks(whole, volume, chunks) != volume) & foreground_mask(volume)
    assert lost.sum() > 0.002 * foreground_mask(volume).sum()
    assert fitted.get_config()["threshold"] < whole.get_config()["threshold"]


def test_air_is_still_left_out_of_chunks() -> None:
    volume = head()
    codec = MedROI.fit(volume, chunks=(17, 23, 19), roi="mask", inner="raw")
    assert (through_chunks(codec, volume, (17, 23, 19)) == 0).mean() > 0.3


@pytest.mark.parametrize("roi", ["box", "mask"])
def test_dark_tissue_is_fitted_too(roi: str) -> None:
    volume = (1000 - head()).astype("<i2")
    chunks = (16, 16, 16)
    codec = MedROI.fit(
        volume, chunks=chunks, roi=roi, polarity="dark", background=1000, inner="raw"
    )
    mask = foreground_mask(1000 - volume)
    lost = (through_chunks(codec, volume, chunks) != volume) & mask
    assert lost.sum() <= 0.002 * mask.sum()


def test_leading_axes_share_the_mask() -> None:
    series = np.stack([head(), head()])
    codec = MedROI.fit(series, chunks=(1, 16, 16, 16), roi="mask", inner="raw")
    decoded = through_chunks(codec, series, (1, 16, 16, 16))
    mask = foreground_mask(series[0])
    assert ((decoded != series) & mask).sum() <= 0.002 * 2 * mask.sum()


def test_arrays_without_tissue_are_fitted() -> None:
    shapes = np.zeros((6, 7, 8), "i2"), np.zeros((0, 3, 4)), np.zeros((4, 5), "S3")
    for array in (*shapes, np.arange(9)):
        codec = MedROI.fit(array, inner="raw")
        assert np.array_equal(codec.decode(codec.encode(array)), array)


def test_chunks_of_another_array_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="chunks"):
        MedROI.fit(head(), chunks=(16, 16), inner="raw")


def test_without_a_threshold_there_is_nothing_to_fit() -> None:
    assert MedROI.fit(head(), threshold=None).get_config()["threshold"] is None
