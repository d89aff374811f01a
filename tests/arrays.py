"""Arrays that the tests code, by name and by strategy."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

DTYPES = (
    "|b1",
    *("|u1", "|i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">i4", "<u8", ">i8"),
    *("<f2", ">f2", "<f4", ">f4", "<f8", ">f8"),
)
OPAQUE_DTYPES = ("<c8", ">c16", "<M8[ns]", ">M8[D]", "<m8[25s]", "|S3", "<U2", "|V5")


def same_bits(first: np.ndarray, second: np.ndarray) -> bool:
    """Same shape, dtype, memory order and, bit for bit, elements."""
    return (
        first.shape == second.shape
        and first.dtype == second.dtype
        and first.flags.f_contiguous == second.flags.f_contiguous
        and first.flags.c_contiguous == second.flags.c_contiguous
        and first.tobytes("A") == second.tobytes("A")
    )


def make_array(dtype: str, shape: tuple[int, ...], order: str, seed: int) -> np.ndarray:
    """Random bits of any dtype, about half of the elements zero."""
    rng = np.random.default_rng(seed)
    wanted = np.dtype(dtype)
    bits = rng.integers(0, 256, (*shape, wanted.itemsize), np.uint8)
    if wanted.kind == "b":
        bits &= 1
    if wanted.kind == "U":
        bits = (
            np.frombuffer(
                rng.integers(32, 127, bits.size // 4).astype(wanted.str[0] + "u4").tobytes(),
                np.uint8,
            )
            .reshape(bits.shape)
            .copy()
        )
    bits[rng.random(shape) < 0.5] = 0
    array = np.ascontiguousarray(bits).view(wanted)[..., 0]
    return np.array(array, order=order)


def arrays(dtypes: tuple[str, ...], max_axes: int = 5) -> st.SearchStrategy[np.ndarray]:
    """Arrays of any of these dtypes, shapes and memory orders."""
    return st.builds(
        make_array,
        st.sampled_from(dtypes),
        st.lists(st.integers(0, 7), min_size=1, max_size=max_axes).map(tuple),
        st.sampled_from("CF"),
        st.integers(0, 2**32 - 1),
    )


def phantom(shape: tuple[int, ...] = (20, 24, 22), dtype: str = "<i2") -> np.ndarray:
    """A bright ellipsoid in noisy air: the smallest thing with a region."""
    rng = np.random.default_rng(7)
    grid = np.meshgrid(*(np.linspace(-1.4, 1.4, n) for n in shape), indexing="ij")
    inside = sum(axis**2 for axis in grid) < 1
    values = rng.integers(0, 6, shape) + inside * rng.integers(60, 100, shape)
    return values.astype(dtype)
