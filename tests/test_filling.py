"""Promises of chunks that are written in several goes: in the end they hold what one write gives.

A store decodes the chunk, puts the new part in and encodes it, at every write. Under the default
threshold a chunk with parts that were not written yet is kept whole, so that the last write
decides, once.
"""

from __future__ import annotations

import numpy as np
import pytest
from arrays import same_bits
from filling import blocks_of, slices_along, written_in_parts, written_once

REGIONS = ("box", "mask")
ORDERS = ("forward", "backward", "random")


def in_order(parts: list, order: str) -> list:
    if order == "random":
        return [parts[int(k)] for k in np.random.default_rng(14).permutation(len(parts))]
    return parts if order == "forward" else parts[::-1]


def assert_as_one_write(array: np.ndarray, parts: list, fill: float = 0, **options) -> None:
    once = written_once(array, **options)
    # Or nothing would be shown.
    assert not same_bits(once, array)
    assert same_bits(written_in_parts(array, parts, fill, **options), once)


@pytest.fixture(scope="module")
def small_head(head_volume) -> np.ndarray:
    return np.asfortranarray(head_volume[::2, ::2, ::2])


# Places of 64 x 64 x 64 in the shipped scan that hold air and head.
CROPS = {"side": (0, 32, 96), "front": (48, 0, 64), "corner": (96, 0, 96)}


def crop(head_volume: np.ndarray, name: str, dtype: str, memory_order: str) -> np.ndarray:
    place = tuple(slice(start, start + 64) for start in CROPS[name])
    return np.array(head_volume[place], dtype, order=memory_order)


@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize(("axis", "order"), list(zip((0, 1, 2), ORDERS)))
def test_a_head_written_slice_by_slice(small_head, axis: int, order: str, roi: str) -> None:
    parts = in_order(slices_along(small_head.shape, axis), order)
    assert_as_one_write(small_head, parts, roi=roi)


@pytest.mark.parametrize("fill", [0, 100])
@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("memory_order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", "|u1"])
@pytest.mark.parametrize(("axis", "order"), [(0, "random"), (1, "forward"), (2, "backward")])
def test_a_chunk_of_a_head_written_slice_by_slice(
    head_volume, axis: int, order: str, dtype: str, memory_order: str, roi: str, fill: int
) -> None:
    """A fill value that is not the background is content, like any other constant part."""
    array = crop(head_volume, "side", dtype, memory_order)
    parts = in_order(slices_along(array.shape, axis, 2), order)
    assert_as_one_write(array, parts, fill, roi=roi)


@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("place", CROPS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [16, 32])
def test_a_chunk_of_a_head_written_block_by_block(
    head_volume, size: int, order: str, place: str, roi: str
) -> None:
    array = crop(head_volume, place, "<i2", "F")
    parts = in_order(blocks_of(array.shape, (size,) * 3), order)
    assert_as_one_write(array, parts, roi=roi)


@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("background", [0, -1024])
@pytest.mark.parametrize("memory_order", ["C", "F"])
def test_floats_written_block_by_block_and_slice_by_slice(
    memory_order: str, background: int, roi: str
) -> None:
    array = np.array(ball_in_noise((48, 48, 48)) + background, "<f4", order=memory_order)
    options = {"roi": roi, "background": background}
    for parts in (blocks_of(array.shape, (16,) * 3), slices_along(array.shape, 1)):
        for order in ("forward", "backward"):
            assert_as_one_write(array, in_order(parts, order), background, **options)


def ball_in_noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    volume = np.hypot(rng.normal(0, 4, shape), rng.normal(0, 4, shape))
    grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in shape)]
    volume[sum(g * g for g in grid) < 0.4] += 150
    return volume


@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("order", ORDERS)
def test_an_image_written_row_by_row_and_block_by_block(order: str, roi: str) -> None:
    image = ball_in_noise((128, 96)).astype(np.uint16)
    for parts in (slices_along(image.shape, 0), blocks_of(image.shape, (32, 32))):
        assert_as_one_write(image, in_order(parts, order), roi=roi)


@pytest.mark.parametrize("roi", REGIONS)
def test_what_air_needs_no_threshold_comes_back_however_it_was_written(roi: str) -> None:
    labels = np.zeros((40, 33, 21), np.uint16)
    labels[3:20, 5:30, 2:9], labels[30, 30, 15], labels[38, 1, 20] = 900, 3, 77
    missing = np.where(labels > 0, labels, np.nan).astype(np.float32)
    for array, fill in ((labels, 0), (labels, 5), (missing, np.nan), (missing, 0)):
        options = {"roi": roi, "background": fill}
        for parts in (slices_along(array.shape, 2), blocks_of(array.shape, (7, 11, 5))):
            held = written_in_parts(array, in_order(parts, "random"), fill, **options)
            assert held.tobytes() == array.tobytes()
