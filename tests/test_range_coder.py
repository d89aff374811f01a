"""The entropy coder of predict3d and wavelet3d, by itself, under sanitizer flags."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_build import build
from reference_coder import Binary, Decoder, RefusedError, Token, number_model

BIT, TOKEN, NUMBER, RAW, MAGNITUDE = range(5)
Row = tuple[int, int, int]

ROWS = st.one_of(
    st.tuples(st.just(BIT), st.integers(0, 7), st.sampled_from([0, 0, 0, 1])),
    st.tuples(st.just(TOKEN), st.integers(0, 7), st.integers(0, 15)),
    st.tuples(st.just(NUMBER), st.integers(0, 7), st.integers(0, 2**64 - 1)),
    st.integers(0, 32).flatmap(
        lambda n: st.tuples(st.just(RAW), st.just(n), st.integers(0, 2**n - 1))
    ),
    st.tuples(st.just(MAGNITUDE), st.integers(0, 20), st.integers(0, 2**32 - 1)),
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    source = str(Path(__file__).with_name("range_coder_shim.c"))
    trap = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    library = build(tmp_path_factory.mktemp("shim"), "shim", [source], ["-O1", *trap])
    library.shim_encode.restype = ctypes.c_size_t
    return library


def encode(shim: ctypes.CDLL, rows: list[Row], capacity: int = 0) -> bytes:
    script = np.array(rows, np.uint64).reshape(-1, 3)
    capacity = capacity or 64 + 24 * len(rows)
    out, bits = np.zeros(capacity, np.uint8), np.zeros(capacity, np.uint8)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (script, out, bits)]
    n = shim.shim_encode(
        pointers[0], ctypes.c_size_t(len(rows)), pointers[1], ctypes.c_size_t(capacity), pointers[2]
    )
    return out[:n].tobytes()


def decode(shim: ctypes.CDLL, rows: list[Row], coded: bytes) -> tuple[bool, list[int]]:
    script = np.array(rows, np.uint64).reshape(-1, 3)
    script[:, 2] = 0
    ok = shim.shim_decode(
        ctypes.c_void_p(script.ctypes.data),
        ctypes.c_size_t(len(rows)),
        ctypes.c_char_p(coded),
        ctypes.c_size_t(len(coded)),
    )
    return bool(ok), [int(v) for v in script[:, 2]]


def reference(rows: list[Row], coded: bytes) -> list[int]:
    d = Decoder(coded)
    bits, tokens = [Binary() for _ in range(8)], [Token() for _ in range(8)]
    numbers, escape = [number_model() for _ in range(8)], number_model()
    values = []
    for what, model, _ in rows:
        k = model % 8
        a, b = tokens[k], tokens[(k + 1) % 8]
        values.append(
            d.binary(bits[k])
            if what == BIT
            else d.token(a, b)
            if what == TOKEN
            else d.number(numbers[k])
            if what == NUMBER
            else d.raw(model)
            if what == RAW
            else d.magnitude(escape, a, b, model)
        )
    d.finish()
    return values


@given(rows=st.lists(ROWS, max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_symbols_come_back_and_the_reference_agrees(shim: ctypes.CDLL, rows: list[Row]) -> None:
    coded, values = encode(shim, rows), [value for _, _, value in rows]
    assert decode(shim, rows, coded) == (True, values)
    assert reference(rows, coded) == values


def test_a_carry_travels_through_many_bytes(shim: ctypes.CDLL) -> None:
    rng = np.random.default_rng(5)
    rows = [(BIT, 0, int(bit)) for bit in rng.random(200_000) < 0.002]
    coded = encode(shim, rows)
    assert decode(shim, rows, coded) == (True, [value for _, _, value in rows])
    assert len(coded) < 1000


def test_every_prefix_is_refused(shim: ctypes.CDLL) -> None:
    rng = np.random.default_rng(6)
    rows = [(TOKEN, int(i % 8), int(s)) for i, s in enumerate(rng.integers(0, 16, 200))]
    rows += [(NUMBER, 0, int(v)) for v in rng.integers(0, 2**40, 20)]
    coded = encode(shim, rows)
    for length in range(len(coded)):
        assert not decode(shim, rows, coded[:length])[0]
        with pytest.raises(RefusedError):
            reference(rows, coded[:length])


def test_a_buffer_too_small_is_reported(shim: ctypes.CDLL) -> None:
    rows = [(NUMBER, 0, 2**63)] * 40
    needed = len(encode(shim, rows))
    assert encode(shim, rows, capacity=needed - 1) == b""
    assert len(encode(shim, rows, capacity=needed)) == needed


@given(rows=st.lists(ROWS, max_size=60), coded=st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes_decode_to_something(shim: ctypes.CDLL, rows: list[Row], coded: bytes) -> None:
    assert len(decode(shim, rows, coded)[1]) == len(rows)
