"""Elements of any type: float16 as NumPy has it, and keys that sort as values do."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from arrays import DTYPES
from kernel_build import KERNEL, Block, block_of, build

NUMBERS = [dtype for dtype in DTYPES if np.dtype(dtype).kind in "biuf"]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    sources = [Path(__file__).with_name("elements_shim.c"), KERNEL / "base" / "elements.c"]
    trap = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    folder = tmp_path_factory.mktemp("shim")
    library = build(folder, "shim", list(map(str, sources)), ["-O2", *trap])
    library.medroi_max_key.restype = ctypes.c_uint64
    library.medroi_integer_key.restype = ctypes.c_uint64
    library.medroi_key_value.restype = ctypes.c_double
    return library


def halves_of(shim: ctypes.CDLL, values: np.ndarray) -> np.ndarray:
    halves = np.empty(values.size, "u2")
    shim.shim_halves(
        ctypes.c_void_p(values.ctypes.data),
        ctypes.c_size_t(values.size),
        ctypes.c_void_p(halves.ctypes.data),
    )
    return halves


def keys_of(shim: ctypes.CDLL, array: np.ndarray) -> np.ndarray:
    keys, block = np.empty(array.size, "u8"), block_of(array)
    shim.medroi_load_keys(
        ctypes.byref(block),
        ctypes.c_void_p(array.ctypes.data),
        ctypes.c_size_t(0),
        ctypes.c_size_t(array.size),
        ctypes.c_void_p(keys.ctypes.data),
    )
    return keys


def elements(dtype: str, n: int = 3001) -> np.ndarray:
    """Any bits an element can have, extremes among them."""
    rng = np.random.default_rng(np.dtype(dtype).itemsize)
    bits = rng.integers(0, 256, (n, np.dtype(dtype).itemsize)).astype("u1")
    bits[0], bits[1] = 0, 255
    if np.dtype(dtype).kind == "b":
        bits &= 1
    return np.frombuffer(bits.tobytes(), dtype)


def test_every_float16_has_the_value_that_numpy_gives_it(shim: ctypes.CDLL) -> None:
    halves, values = np.arange(65536, dtype="u2"), np.empty(65536, "f4")
    shim.shim_values(
        ctypes.c_void_p(halves.ctypes.data),
        ctypes.c_size_t(halves.size),
        ctypes.c_void_p(values.ctypes.data),
    )
    expected = halves.view("f2").astype("f4")
    assert np.array_equal(values, expected, equal_nan=True)
    assert np.array_equal(np.signbit(values), np.signbit(expected))


def test_every_float16_and_what_lies_beside_the_ties_round_as_in_numpy(shim: ctypes.CDLL) -> None:
    exact = np.arange(0x7C00, dtype="u2").view("f2").astype("f8")
    ties = (exact[1:] + exact[:-1]) / 2
    around = [np.nextafter(ties, 0), ties, np.nextafter(ties, np.inf)]
    special = [0.0, 5e-324, 2**-25, 65519.999, 65520.0, 1e300, np.inf, np.nan]
    values = np.concatenate([exact, *around, special])
    values = np.concatenate([values, -values])
    with np.errstate(over="ignore"):
        expected = values.astype("f2")
    halves = halves_of(shim, values)
    number = ~np.isnan(values)
    assert np.array_equal(halves[number], expected.view("u2")[number])
    assert set(halves[~number].tolist()) == {0x7E00, 0xFE00}


def test_random_doubles_round_to_float16_as_in_numpy(shim: ctypes.CDLL) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=200_000) * 2.0 ** rng.integers(-40, 20, 200_000)
    with np.errstate(over="ignore"):
        expected = values.astype("f2")
    assert np.array_equal(halves_of(shim, values), expected.view("u2"))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_keys_sort_as_the_elements_do(shim: ctypes.CDLL, dtype: str) -> None:
    array = elements(dtype)
    keys, block = keys_of(shim, array), block_of(array)
    assert keys.max() <= shim.medroi_max_key(ctypes.byref(block))
    finite = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.size, bool)
    by_key = array[finite][np.argsort(keys[finite])]
    assert np.array_equal(by_key, np.sort(array[finite]))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_elements_come_back_from_their_keys_bit_for_bit(shim: ctypes.CDLL, dtype: str) -> None:
    array = elements(dtype)
    keys, block, back = keys_of(shim, array), block_of(array), np.zeros_like(array)
    shim.medroi_store_keys(
        ctypes.byref(block),
        ctypes.c_void_p(keys.ctypes.data),
        ctypes.c_size_t(0),
        ctypes.c_size_t(array.size),
        ctypes.c_void_p(back.ctypes.data),
    )
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", ["<i2", ">i4", "|i1", "<i8", "<u2", "|u1"])
def test_an_integer_that_the_element_cannot_hold_has_a_key_beyond_the_last(
    shim: ctypes.CDLL, dtype: str
) -> None:
    limits = np.iinfo(dtype)
    block: Block = block_of(np.zeros(1, dtype))

    def key(value: int) -> int:
        return int(shim.medroi_integer_key(ctypes.byref(block), ctypes.c_int64(value)))

    last = int(shim.medroi_max_key(ctypes.byref(block)))
    assert key(limits.min) == 0
    assert key(limits.max) == last
    if limits.bits < 64:
        assert key(limits.min - 1) > last
        assert key(limits.max + 1) > last
