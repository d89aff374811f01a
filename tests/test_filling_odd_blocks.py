"""Promises of chunks that are written in blocks which do not divide them, in any order.

A store or a scheduler cuts an array as it likes: blocks are thin along one axis, or leave a rest
thinner than 8 voxels at the end of it. A rest of fewer than 16 voxels is not promised.
"""

from __future__ import annotations

import numpy as np
import pytest
from filling import blocks_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_filling import ORDERS, REGIONS, assert_as_one_write, ball_in_noise, crop, in_order

SIZES = (
    (16, 16, 16),
    (8, 8, 8),
    (11, 11, 11),
    (13, 9, 20),
    (5, 40, 40),
    (40, 3, 40),
    (6, 6, 6),
    (8, 9, 9),
)


@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["<i2", "|u1", "<f4"])
def test_blocks_that_leave_a_rest(dtype: str, size, order: str, roi: str) -> None:
    array = np.asfortranarray(ball_in_noise((40, 44, 36)).astype(dtype))
    assert_as_one_write(array, in_order(blocks_of(array.shape, size), order), roi=roi)


@pytest.mark.parametrize("roi", REGIONS)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [(5, 40, 40), (40, 3, 40), (64, 7, 64), (11, 11, 11)])
def test_blocks_of_a_head_that_leave_a_rest(head_volume, size, order: str, roi: str) -> None:
    array = crop(head_volume, "side", "<i2", "F")
    assert_as_one_write(array, in_order(blocks_of(array.shape, size), order), roi=roi)


@given(
    st.tuples(*[st.sampled_from((2, 3, 7, 8, 9, 12, 13, 16, 24, 48))] * 3),
    st.sampled_from(("<i2", "<f4")),
    st.sampled_from("CF"),
    st.sampled_from((0, 500, -1024)),
    st.sampled_from(REGIONS),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_blocks_in_any_order(size, dtype, memory_order, fill, roi, seed) -> None:
    array = np.array(ball_in_noise((48, 48, 48)) + fill, dtype, order=memory_order)
    parts = blocks_of(array.shape, size)
    order = np.random.default_rng(seed).permutation(len(parts))
    if len(parts) <= 300:
        assert_as_one_write(array, [parts[int(k)] for k in order], fill, roi=roi, background=fill)
